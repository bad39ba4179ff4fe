// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.hpp"

namespace alephc {

/// Bytes in the order of the text form (RFC 9562).
using Uuid = std::array<std::uint8_t, 16>;

/// What tools draw at random when they make a filesystem or a partition table: a version 8 UUID from
/// sha256("alephc-uuid 1\n" + ROLE + "\n" + the seed's hex digits).
[[nodiscard]] Uuid derived_uuid(const Digest& seed, std::string_view role);

[[nodiscard]] inline std::string_view uuid_bytes(const Uuid& uuid) {
  return {reinterpret_cast<const char*>(uuid.data()), uuid.size()};
}
[[nodiscard]] std::string uuid_text(const Uuid& uuid);  ///< "01234567-89ab-8cde-8f01-23456789abcd"

}  // namespace alephc
