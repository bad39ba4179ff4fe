# alephc_guest_program(): a static program that runs inside images or virtual machines. Its flags are set here and nowhere
# else, so that the same compiler makes the same bytes in every preset. A macro: the variables are those of the calling folder.
macro(alephc_guest_program name)
  set(CMAKE_CXX_FLAGS "")
  foreach(config IN ITEMS DEBUG RELEASE RELWITHDEBINFO MINSIZEREL)
    set(CMAKE_CXX_FLAGS_${config} "")
  endforeach()
  set(CMAKE_CXX_CLANG_TIDY "")
  unset(CMAKE_POSITION_INDEPENDENT_CODE)  # it would add -pie, which takes -static-pie back
  add_executable(${name} ${ARGN})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/compiler)
  target_compile_options(${name} PRIVATE -Os -DNDEBUG -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}=. -fPIE -D_GLIBCXX_ASSERTIONS ${alephc_hardening_flags})
  target_link_options(${name} PRIVATE -static-pie -s -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,relro,-z,now)
  target_link_libraries(${name} PRIVATE alephc_warnings)
endmacro()
