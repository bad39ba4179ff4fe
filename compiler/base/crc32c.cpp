// SPDX-License-Identifier: MIT
#include "base/crc32c.hpp"

#include <array>
#include <cstring>

namespace alephc {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  constexpr std::uint32_t kPolynomial = 0x82f63b78U;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1U) ^ ((value & 1U) != 0 ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}

std::uint32_t by_table(std::uint32_t remainder, std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_table();
  for (const char c : bytes)
    remainder = (remainder >> 8U) ^ kTable[(remainder ^ static_cast<std::uint8_t>(c)) & 0xffU];
  return remainder;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t remainder,
                                                               std::string_view bytes) {
  std::uint64_t wide = remainder;
  while (bytes.size() >= sizeof wide) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    wide = __builtin_ia32_crc32di(wide, word);
    bytes.remove_prefix(sizeof word);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (const char c : bytes) narrow = __builtin_ia32_crc32qi(narrow, static_cast<std::uint8_t>(c));
  return narrow;
}
#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t remainder, std::string_view bytes) {
#ifdef __x86_64__
  static const bool kHasInstruction = __builtin_cpu_supports("sse4.2") != 0;
  if (kHasInstruction) return by_instruction(remainder, bytes);
#endif
  return by_table(remainder, bytes);
}

}  // namespace alephc
