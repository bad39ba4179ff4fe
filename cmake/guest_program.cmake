# alephc_guest_program(): a static program that runs inside images or virtual machines. Its flags are those that the init is
# built with from source (compiler/init/compile.sh) and no others, so that the same compiler makes the same bytes in every
# preset. A macro: the variables are those of the calling folder.
file(STRINGS ${PROJECT_SOURCE_DIR}/compiler/init/compile.flags guest_compile_flags)
file(STRINGS ${PROJECT_SOURCE_DIR}/compiler/init/link.flags guest_link_flags)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/compiler/init/compile.flags
  ${PROJECT_SOURCE_DIR}/compiler/init/link.flags)
if(NOT ALEPHC_HAS_CF_PROTECTION)
  list(REMOVE_ITEM guest_compile_flags -fcf-protection=full)
endif()

macro(alephc_guest_program name)
  set(CMAKE_CXX_FLAGS "")
  foreach(config IN ITEMS DEBUG RELEASE RELWITHDEBINFO MINSIZEREL)
    set(CMAKE_CXX_FLAGS_${config} "")
  endforeach()
  set(CMAKE_CXX_CLANG_TIDY "")
  unset(CMAKE_POSITION_INDEPENDENT_CODE)  # it would add -pie, which takes -static-pie back
  add_executable(${name} ${ARGN})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/compiler)
  target_compile_options(${name} PRIVATE ${guest_compile_flags} -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
  target_link_options(${name} PRIVATE ${guest_link_flags})
  target_link_libraries(${name} PRIVATE alephc_warnings)
endmacro()
