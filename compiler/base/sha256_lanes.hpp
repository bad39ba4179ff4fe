// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/digest.hpp"

namespace alephc {

inline constexpr std::size_t kShaLanes = 16;

/// SHA-256 (FIPS 180-4) of messages of equal length.
using ShaLanes = void (*)(std::span<const std::string_view, kShaLanes> messages,
                          std::span<Digest, kShaLanes> digests);

/// One way to hash side by side, and whether this processor can do it.
struct ShaMethod {
  const char* name;
  bool available;
  ShaLanes hash;
};
/// The fastest one first. With AVX-512 every message has a lane of a vector; else, with instructions for SHA, two messages
/// take turns, since each waits for itself most of the time; else, with AVX2, every message has a lane of two vectors.
[[nodiscard]] std::span<const ShaMethod> sha256_methods();

/// Whether hashing kShaLanes messages side by side is faster here than one after the other.
[[nodiscard]] bool has_sha256_lanes();

/// By the fastest method there is. There must be one.
void sha256_side_by_side(std::span<const std::string_view, kShaLanes> messages,
                         std::span<Digest, kShaLanes> digests);

}  // namespace alephc
