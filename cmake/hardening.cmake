# alephc_hardening: flags for programs that read what strangers wrote. Guest programs get the compiler's part of them always
# (guest_program.cmake), so that a preset does not change their bytes.
include(CheckCXXCompilerFlag)
include(CheckCXXSourceCompiles)
check_cxx_compiler_flag(-fcf-protection=full ALEPHC_HAS_CF_PROTECTION)
set(CMAKE_REQUIRED_FLAGS "-O2 -Werror -D_FORTIFY_SOURCE=3")
check_cxx_source_compiles("#include <cstdio>
int main() { return std::puts(\"\") < 0; }" ALEPHC_HAS_FORTIFY_3)
unset(CMAKE_REQUIRED_FLAGS)

set(alephc_hardening_flags "-fstack-protector-strong")
if(ALEPHC_HAS_FORTIFY_3)
  list(APPEND alephc_hardening_flags -D_FORTIFY_SOURCE=3)
else()
  list(APPEND alephc_hardening_flags -D_FORTIFY_SOURCE=2)
endif()
if(ALEPHC_HAS_CF_PROTECTION)
  list(APPEND alephc_hardening_flags -fcf-protection=full)
endif()

# On a target and not for whole folders: guest programs have their flags from guest_program.cmake alone.
add_library(alephc_hardening INTERFACE)
if(ALEPHC_HARDENING)
  include(CheckPIESupported)
  check_pie_supported(LANGUAGES CXX)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  target_compile_options(alephc_hardening INTERFACE ${alephc_hardening_flags})
  # The whole table of foreign functions is resolved at the start and read-only from then on.
  target_link_options(alephc_hardening INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
