// SPDX-License-Identifier: MIT
#include "image/btrfs/chunks.hpp"

#include <algorithm>

#include "base/little_endian.hpp"

namespace alephc::btrfs {
namespace {

constexpr std::uint64_t kDevice = 1;

std::string device_item(const Layout& layout) {
  std::uint64_t allocated = 0;
  for (const Chunk& chunk : layout.chunks) allocated += chunk.space.length;
  std::string item;
  put_little(item, kDevice);
  put_little(item, layout.total);
  put_little(item, allocated);
  for (int i = 0; i < 3; ++i) put_little(item, kSector, 4);  // alignment, width, sector
  put_little(item, 0);                                       // type
  put_little(item, 0);                                       // generation
  put_little(item, 0);                                       // start
  put_little(item, 0, 4 + 1 + 1);                            // group, speeds
  item += uuid_bytes(layout.device);
  item += uuid_bytes(layout.identity.filesystem);
  return item;
}

std::string chunk_item(const Layout& layout, const Chunk& chunk) {
  std::string item;
  put_little(item, chunk.space.length);
  put_little(item, kExtentTree);
  put_little(item, kStripe);
  put_little(item, chunk.flags);
  put_little(item, kStripe, 4);  // alignment
  put_little(item, kStripe, 4);  // width
  put_little(item, kSector, 4);
  put_little(item, 1, 2);  // stripes
  put_little(item, 0, 2);  // sub stripes
  put_little(item, kDevice);
  put_little(item, chunk.space.start);
  item += uuid_bytes(layout.device);
  return item;
}

/// What is not used of a chunk.
std::vector<Space> free_spaces(const Layout& layout, const Chunk& chunk) {
  std::vector<Space> spaces;
  std::uint64_t at = chunk.space.start;
  const auto take = [&](const Space& used) {
    if (used.start > at) spaces.push_back({at, used.start - at});
    at = used.end();
  };
  if (chunk.flags == kData) {
    auto used = std::lower_bound(layout.contents.used.begin(), layout.contents.used.end(), at,
                                 [](const Space& space, std::uint64_t start) { return space.start < start; });
    for (; used != layout.contents.used.end() && used->start < chunk.space.end(); ++used) take(*used);
  } else {
    for (auto node = layout.nodes.lower_bound(at);
         node != layout.nodes.end() && node->first < chunk.space.end(); ++node)
      take({node->first, kNode});
  }
  take({chunk.space.end(), 0});
  return spaces;
}

std::uint64_t incompatible_features(const ImageSpec& image) {
  constexpr std::uint64_t kMixedBackref = 1U << 0U;
  constexpr std::uint64_t kDefaultSubvolume = 1U << 1U;
  constexpr std::uint64_t kHasZstd = 1U << 4U;
  constexpr std::uint64_t kBigMetadata = 1U << 5U;
  constexpr std::uint64_t kExtendedIref = 1U << 6U;
  constexpr std::uint64_t kSkinnyMetadata = 1U << 8U;
  constexpr std::uint64_t kNoHoles = 1U << 9U;
  return kMixedBackref | kBigMetadata | kExtendedIref | kSkinnyMetadata | kNoHoles |
         (!image.subvolume.empty() ? kDefaultSubvolume : 0) | (image.compression == "zstd" ? kHasZstd : 0);
}

}  // namespace

Items csum_items(const Contents& contents) {
  // As many as the kernel puts into one item.
  constexpr std::size_t kMost = (kLeafRoom - 2 * kItemHead) / sizeof(std::uint32_t) - 1;
  Items items;
  std::uint64_t end = 0;
  std::size_t count = 0;
  for (const Space& used : contents.used)
    for (std::uint64_t at = used.start; at < used.end(); at += kSector) {
      if (at != end || count == kMost) {
        items.push_back({{kExtentCsum, kCsumItem, at}, {}});
        count = 0;
      }
      put_little(items.back().data, contents.sums[(at - contents.start) / kSector], 4);
      end = at + kSector;
      ++count;
    }
  return items;
}

Items dev_items(const Layout& layout) {
  Items items;
  for (const Chunk& chunk : layout.chunks) {
    std::string item;
    put_little(item, kChunkTree);
    put_little(item, kFirstFree);
    put_little(item, chunk.space.start);
    put_little(item, chunk.space.length);
    item += uuid_bytes(layout.identity.chunk_tree);
    items.push_back({{kDevice, kDevExtent, chunk.space.start}, item});
  }
  return items;
}

Items chunk_items(const Layout& layout) {
  Items items{{{kDevice, kDevItem, kDevice}, device_item(layout)}};
  for (const Chunk& chunk : layout.chunks)
    items.push_back({{kFirstFree, kChunkItem, chunk.space.start}, chunk_item(layout, chunk)});
  return items;
}

Items free_space_items(const Layout& layout) {
  Items items;
  for (const Chunk& chunk : layout.chunks) {
    const std::vector<Space> spaces = free_spaces(layout, chunk);
    std::string info;
    put_little(info, spaces.size(), 4);
    put_little(info, 0, 4);
    Items extents;
    for (const Space& space : spaces) extents.push_back({{space.start, kFreeSpaceExtent, space.length}, {}});
    items.push_back({{chunk.space.start, kFreeSpaceInfo, chunk.space.length}, info});
    items.insert(items.end(), extents.begin(), extents.end());
  }
  return items;
}

std::string superblock(const Layout& layout, const Roots& roots, const ImageSpec& image,
                       std::uint64_t address) {
  constexpr std::uint64_t kFreeSpaceTreeValid = 3;  // there, and to be believed
  constexpr std::size_t kLabel = 256;
  constexpr std::size_t kSystemArray = 2048;
  const Chunk& system = layout.chunks.front();
  std::string array;
  put_key(array, {kFirstFree, kChunkItem, system.space.start});
  array += chunk_item(layout, system);
  std::uint64_t used = 0;
  for (const Chunk& chunk : layout.chunks) used += chunk.used;
  std::string block(kChecksum, '\0');
  block += uuid_bytes(layout.identity.filesystem);
  put_little(block, address);
  put_little(block, 1);  // written
  block += "_BHRfS_M";
  put_little(block, kGeneration);
  put_little(block, roots.root.root());
  put_little(block, roots.chunk.root());
  put_little(block, 0);  // log
  put_little(block, 0);
  put_little(block, layout.total);
  put_little(block, used);
  put_little(block, kRootTreeDir);
  put_little(block, 1);  // devices
  put_little(block, kSector, 4);
  put_little(block, kNode, 4);
  put_little(block, kNode, 4);
  put_little(block, kSector, 4);
  put_little(block, array.size(), 4);
  put_little(block, kGeneration);
  put_little(block, 0);
  put_little(block, kFreeSpaceTreeValid);
  put_little(block, incompatible_features(image));
  put_little(block, 0, 2);  // CRC-32C
  put_little(block, roots.root.level(), 1);
  put_little(block, roots.chunk.level(), 1);
  put_little(block, 0, 1);
  block += device_item(layout);
  std::string label = image.label;
  label.resize(kLabel, '\0');
  block += label;
  put_little(block, 0);            // no other cache of free space
  put_little(block, kGeneration);  // of the UUID tree
  block.resize(811, '\0');         // reserved
  array.resize(kSystemArray, '\0');
  block += array;
  block.resize(kSuperblockSize, '\0');
  set_little(block, 0, block_sum(block), 4);
  return block;
}

}  // namespace alephc::btrfs
