// SPDX-License-Identifier: MIT
#include "image/btrfs/volume.hpp"

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/little_endian.hpp"

namespace alephc::btrfs {
namespace {

// A fuzzer would never get past them.
#if defined(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
constexpr bool kChecksSums = false;
#else
constexpr bool kChecksSums = true;
#endif

constexpr std::size_t kKeySize = 17;
constexpr std::size_t kChunkHead = 48;
constexpr std::size_t kStripeSize = 32;
constexpr int kMaxLevel = 8;
constexpr std::uint64_t kNodesFree = 4096;
constexpr std::uint64_t kNodesFactor = 4;  // every tree is read a few times at most

}  // namespace

void damaged(const std::string& what) {
  throw Error(ErrorKind::integrity, "the btrfs filesystem is damaged: " + what);
}

std::string_view bytes_at(std::string_view bytes, std::size_t at, std::size_t size) {
  if (at > bytes.size() || size > bytes.size() - at) damaged("an item is cut off");
  return bytes.substr(at, size);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  return read_little(bytes_at(bytes, at, size));
}

Key read_key(std::string_view bytes) {
  return {number_at(bytes, 0, 8), static_cast<std::uint8_t>(number_at(bytes, 8, 1)), number_at(bytes, 9, 8)};
}

Volume::Volume(const ByteSource& device) : device_(device) {
  read_superblock();
  walk(chunk_tree_, [&](const Key& key, std::string_view data) {
    if (key.type == kChunkItem) add_chunk(key.offset, data);
  });
  walk(root_tree_, [&](const Key& key, std::string_view data) {
    constexpr std::size_t kRootAt = 176;
    if (key.type == kRootItem) roots_[key.objectid] = number_at(data, kRootAt, 8);
    if (key.objectid == kRootTreeDir && key.type == kDirItem) default_ = read_key(data).objectid;
  });
}

void Volume::read_superblock() {
  const std::string block = device_.bytes(kSuperblocks[0], kSuperblockSize);
  if (block.empty()) damaged("it is cut off");
  const auto number = [&](std::size_t at, std::size_t size) { return number_at(block, at, size); };
  if (kChecksSums && number(196, 2) != 0)
    throw Error(ErrorKind::failed, "the btrfs filesystem has sums of another kind than crc32c, which are not checked here",
                "make it with mkfs.btrfs --csum crc32c");
  if (kChecksSums && number(0, 4) != block_sum(block)) damaged("the sum of its superblock");
  if (number(136, 8) != 1)
    throw Error(ErrorKind::failed, "a btrfs filesystem of several devices cannot be read");
  if (number(96, 8) != 0)
    throw Error(ErrorKind::integrity, "its log holds changes: what is read is not what would be mounted",
                "mount and unmount a copy of it first");
  node_size_ = static_cast<std::uint32_t>(number(148, 4));
  if (node_size_ < 4096 || node_size_ > 65536) damaged("its size of nodes");
  root_tree_ = number(80, 8);
  chunk_tree_ = number(88, 8);
  constexpr std::size_t kArray = 811;
  const std::string_view array = bytes_at(block, kArray, number(160, 4));
  for (std::size_t at = 0; at < array.size();) {
    const Key key = read_key(array.substr(at));
    at += kKeySize;
    add_chunk(key.offset, array.substr(at));
    at += kChunkHead + number_at(array, at + 44, 2) * kStripeSize;
  }
}

void Volume::add_chunk(std::uint64_t logical, std::string_view item) {
  constexpr std::uint64_t kStriped = (1U << 3U) | (1U << 6U) | (1U << 7U) | (1U << 8U);  // RAID 0, 10, 5, 6
  if ((number_at(item, 24, 8) & kStriped) != 0)
    throw Error(ErrorKind::failed, "a striped btrfs filesystem cannot be read");
  Chunk chunk{.length = number_at(item, 0, 8)};
  for (std::uint64_t i = 0; i < number_at(item, 44, 2); ++i)
    chunk.copies.push_back(number_at(item, kChunkHead + i * kStripeSize + 8, 8));
  if (chunk.copies.empty()) damaged("a chunk that is nowhere");
  chunks_[logical] = std::move(chunk);
}

std::string Volume::read(std::uint64_t address, std::uint64_t size) const {
  auto chunk = chunks_.upper_bound(address);
  if (chunk == chunks_.begin()) damaged("an address in no chunk");
  --chunk;
  const std::uint64_t offset = address - chunk->first;
  if (offset >= chunk->second.length || size > chunk->second.length - offset)
    damaged("an address in no chunk");
  const std::vector<std::uint64_t>& copies = chunk->second.copies;
  std::string bytes = device_.bytes(copies.front() + offset, size);
  if (bytes.size() != size) damaged("it is cut off");
  for (std::size_t i = 1; i < copies.size(); ++i)
    if (device_.bytes(copies[i] + offset, size) != bytes) damaged("its copies differ");
  return bytes;
}

void Volume::walk(std::uint64_t root, const Visit& visit) const {
  walk_node(root, kMaxLevel, visit);
}

void Volume::walk_node(std::uint64_t address, int level, const Visit& visit) const {
  throw_if_interrupted();
  // A node may be named many times: more of them than the device has room for are a trick.
  if (++nodes_ > kNodesFree + kNodesFactor * device_.size() / node_size_) damaged("its trees share nodes");
  const std::string node = read(address, node_size_);
  if (kChecksSums && number_at(node, 0, 4) != block_sum(node)) damaged("the sum of a node");
  const std::uint64_t count = number_at(node, 96, 4);
  const auto own_level = static_cast<int>(number_at(node, 100, 1));
  // Levels fall with every step down, so that no loop of nodes goes on for ever.
  if (number_at(node, 48, 8) != address || own_level >= level) damaged("a node that is not where it says");
  for (std::uint64_t i = 0; i < count; ++i) {
    if (own_level > 0) {
      walk_node(number_at(node, kHeader + i * kPointer + kKeySize, 8), own_level, visit);
      continue;
    }
    const std::size_t head = kHeader + i * kItemHead;
    const std::uint64_t at = number_at(node, head + kKeySize, 4);
    const std::uint64_t size = number_at(node, head + kKeySize + 4, 4);
    visit(read_key(bytes_at(node, head, kKeySize)), bytes_at(node, kHeader + at, size));
  }
}

std::uint64_t Volume::subvolume_root(std::uint64_t id) const {
  const auto root = roots_.find(id);
  if (root == roots_.end()) damaged("a subvolume without a tree");
  return root->second;
}

}  // namespace alephc::btrfs
