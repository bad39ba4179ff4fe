// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace alephc {

/// Keccak-256 with the padding of the Keccak submission (0x01), which Ethereum uses; SHA3-256 pads otherwise
/// and gives other digests. (keccak.team, "Keccak specifications summary")
[[nodiscard]] std::array<std::uint8_t, 32> keccak256(std::string_view data);

}  // namespace alephc
