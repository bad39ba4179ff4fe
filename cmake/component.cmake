# alephc_component(): one static library a folder, with warnings, sanitizers and a check that every header compiles alone.
include(cmake/libraries.cmake)

add_library(alephc_warnings INTERFACE)
target_compile_options(alephc_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wimplicit-fallthrough -Wformat=2
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # g++ 12 warns about its own std::string (GCC bug 105651)
if(ALEPHC_SANITIZERS)  # and with -fsanitize about its own std::regex (GCC bug 105562)
  target_compile_options(alephc_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

# On a target and not in CMAKE_CXX_FLAGS: a static program cannot take ASan.
add_library(alephc_sanitizers INTERFACE)
if(ALEPHC_SANITIZERS)
  target_compile_options(alephc_sanitizers INTERFACE
    -fsanitize=${ALEPHC_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(alephc_sanitizers INTERFACE -fsanitize=${ALEPHC_SANITIZERS})
endif()

# A third of the time that a file takes is for headers of the standard library. Other presets do without, so that a file
# which lacks an include is found.
if(ALEPHC_PCH)
  file(CONFIGURE OUTPUT precompiled.cpp CONTENT "")
  add_library(alephc_precompiled STATIC ${CMAKE_CURRENT_BINARY_DIR}/precompiled.cpp)
  target_link_libraries(alephc_precompiled PRIVATE alephc_hardening alephc_sanitizers alephc_warnings)
  # g++ 12 takes its own headers for the project's when they are precompiled, and warns about std::string in them.
  set(alephc_precompiled_warnings
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread>")
  target_compile_options(alephc_warnings INTERFACE ${alephc_precompiled_warnings})
  set(alephc_common_headers <algorithm> <array> <chrono> <cstdint> <cstring> <exception> <filesystem> <fstream> <functional> <map>
    <memory> <mutex> <optional> <set> <span> <string> <string_view> <thread> <tuple> <unordered_map> <utility> <variant> <vector>)
  target_precompile_headers(alephc_precompiled PRIVATE ${alephc_common_headers})
endif()

function(alephc_component name)
  cmake_parse_arguments(A "" "" "SOURCES;HEADERS;USES;LIBS" ${ARGN})
  add_library(alephc_${name} STATIC ${A_SOURCES})
  target_sources(alephc_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/compiler FILES ${A_HEADERS})
  set_target_properties(alephc_${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  list(TRANSFORM A_USES PREPEND alephc_)
  target_link_libraries(alephc_${name}
    PUBLIC ${A_USES} alephc_hardening alephc_sanitizers Threads::Threads PRIVATE alephc_warnings ${A_LIBS})
  if(ALEPHC_PCH)
    target_precompile_headers(alephc_${name} REUSE_FROM alephc_precompiled)
  endif()
  # What several sources include is read, and what they instantiate is compiled, once for all of them: half of the time of a
  # build. Few, so that a changed file is compiled within seconds. Other presets compile each source alone.
  set_target_properties(alephc_${name} PROPERTIES UNITY_BUILD ${ALEPHC_UNITY} UNITY_BUILD_BATCH_SIZE 5)
endfunction()
