// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "image/byte_source.hpp"
#include "image/derived_uuid.hpp"

namespace alephc::gpt {

inline constexpr std::uint64_t kSector = 512;

/// Type GUIDs (UEFI specification 5.3; the Discoverable Partitions Specification for roots).
inline constexpr const char* kBiosBoot = "21686148-6449-6e6f-744e-656564454649";
inline constexpr const char* kEfiSystem = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
inline constexpr const char* kLinuxRootAmd64 = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
inline constexpr const char* kLinuxRootArm64 = "b921b045-1df0-41c3-af44-4c6f280d3fae";

struct Partition {
  unsigned number = 1;  ///< in the table, from 1
  std::string type{};   ///< GUID
  Uuid guid{};
  std::string name{};       ///< ASCII, up to 36 characters
  std::uint64_t start = 0;  ///< in bytes
  std::uint64_t length = 0;
};

/// A partition table (UEFI specification, chapter 5) for a disk of a size in bytes.
struct Tables {
  std::string front{};  ///< protective MBR, header, entries: from the first sector on
  std::string back{};   ///< entries, header: the last sectors
};
[[nodiscard]] Tables make_tables(const std::vector<Partition>& partitions, const Uuid& disk,
                                 std::uint64_t size);

/// The partitions of a disk, or nothing if it has no such
/// table. Throws an integrity Error when it is damaged.
[[nodiscard]] std::optional<std::vector<Partition>> read_tables(const ByteSource& disk);

}  // namespace alephc::gpt
