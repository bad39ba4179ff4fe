// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

/// Makes the bytes of a file part of the program, as between(guest_NAME, guest_NAME_end). The assembler includes it: C++20
/// has no way of its own.
#define ALEPHC_INCLUDE(name, path)                                                                  \
  asm(".pushsection .rodata\n.balign 16\n.globl guest_" #name "\nguest_" #name ":\n.incbin \"" path \
      "\"\n.globl guest_" #name "_end\nguest_" #name "_end:\n.byte 0\n.popsection\n");              \
  extern "C" const char guest_##name[];                                                             \
  extern "C" const char guest_##name##_end[]

namespace alephc {

inline std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace alephc
