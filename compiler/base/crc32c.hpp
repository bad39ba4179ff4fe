// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

namespace alephc {

/// CRC-32C (Castagnoli, RFC 3720) of bytes, going on from a remainder;
/// neither is inverted. The usual sum is ~crc32c(~0U, bytes).
[[nodiscard]] std::uint32_t crc32c(std::uint32_t remainder, std::string_view bytes);

}  // namespace alephc
