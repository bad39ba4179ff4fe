// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace alephc {

/// Appends the low size bytes of value, at most 8, the lowest first.
inline void put_little(std::string& out, std::uint64_t value, std::size_t size = sizeof(std::uint64_t)) {
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
}

/// Over the bytes at a place, which are there.
inline void set_little(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  std::string text;
  put_little(text, value, size);
  bytes.replace(at, size, text);
}

/// The number that at most 8 bytes spell, the lowest first.
[[nodiscard]] inline std::uint64_t read_little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * i);
  return value;
}

}  // namespace alephc
