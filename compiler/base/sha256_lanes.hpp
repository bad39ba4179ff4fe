// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/digest.hpp"

namespace alephc {

inline constexpr std::size_t kShaLanes = 16;

/// Whether hashing kShaLanes messages side by side is faster here than one after the other: on processors
/// with wide vectors, but without instructions for SHA.
[[nodiscard]] bool has_sha256_lanes();

/// SHA-256 of kShaLanes messages of equal length, a vector lane each. (FIPS 180-4)
void sha256_side_by_side(std::span<const std::string_view, kShaLanes> messages,
                         std::span<Digest, kShaLanes> digests);

}  // namespace alephc
