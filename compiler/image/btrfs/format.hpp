// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/crc32c.hpp"

/// Numbers of the btrfs on-disk format (btrfs.readthedocs.io, "On-disk Format"; linux/btrfs_tree.h).
/// Everything on disk is little-endian.
namespace alephc::btrfs {

inline constexpr std::uint32_t kSector = 4096;
inline constexpr std::uint32_t kNode = 16384;
inline constexpr std::uint32_t kChecksum = 32;  ///< in front of every node and superblock
inline constexpr std::uint32_t kHeader = 101;   ///< of a node
inline constexpr std::uint32_t kItemHead = 25;  ///< key, offset, size
inline constexpr std::uint32_t kPointer = 33;   ///< key, address, generation
inline constexpr std::uint32_t kLeafRoom = kNode - kHeader;
inline constexpr std::uint32_t kLargestItem = kLeafRoom - kItemHead;
inline constexpr std::uint64_t kStripe = 65536;
inline constexpr std::uint64_t kGeneration = 1;  ///< of everything: one transaction makes the filesystem

/// Superblocks lie at these places of the device, as far as it reaches; nothing else may in that stripe.
inline constexpr std::uint64_t kSuperblocks[] = {1ULL << 16U, 1ULL << 26U, 1ULL << 38U};
inline constexpr std::size_t kSuperblockSize = 4096;
inline constexpr std::uint64_t kFirstChunk = 1ULL << 20U;  ///< what is before is reserved

enum ObjectId : std::uint64_t {
  kRootTree = 1,
  kExtentTree = 2,
  kChunkTree = 3,
  kDevTree = 4,
  kFsTree = 5,
  kRootTreeDir = 6,
  kCsumTree = 7,
  kUuidTree = 9,
  kFreeSpaceTree = 10,
  kFirstFree = 256,  ///< root folder of a subvolume, first subvolume, first chunk
  kDataRelocTree = static_cast<std::uint64_t>(-9),
  kExtentCsum = static_cast<std::uint64_t>(-10),
};

enum KeyType : std::uint8_t {
  kInodeItem = 1,
  kInodeRef = 12,
  kInodeExtref = 13,
  kXattrItem = 24,
  kDirItem = 84,
  kDirIndex = 96,
  kExtentData = 108,
  kCsumItem = 128,
  kRootItem = 132,
  kRootBackref = 144,
  kRootRef = 156,
  kExtentItem = 168,
  kMetadataItem = 169,
  kTreeBlockRef = 176,
  kExtentDataRef = 178,
  kBlockGroupItem = 192,
  kFreeSpaceInfo = 198,
  kFreeSpaceExtent = 199,
  kDevExtent = 204,
  kDevItem = 216,
  kChunkItem = 228,
  kUuidSubvolume = 251,
};

enum BlockGroupFlags : std::uint64_t { kData = 1, kSystem = 2, kMetadata = 4 };
enum Compression : std::uint8_t { kNone = 0, kZlib = 1, kLzo = 2, kZstd = 3 };
enum ExtentType : std::uint8_t { kInline = 0, kRegular = 1 };

struct Key {
  std::uint64_t objectid = 0;
  std::uint8_t type = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const Key&) const = default;
};

/// What a node or superblock has in the first four bytes of its checksum: of all that is behind it.
[[nodiscard]] inline std::uint32_t block_sum(std::string_view block) {
  return ~crc32c(~0U, block.substr(kChecksum));
}

struct Item {
  Key key{};
  std::string data{};
};
using Items = std::vector<Item>;

}  // namespace alephc::btrfs
