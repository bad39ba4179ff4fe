// SPDX-License-Identifier: MIT
#include "image/btrfs/btree.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"

namespace alephc::btrfs {
namespace {

constexpr std::size_t kPointersInNode = kLeafRoom / kPointer;
constexpr std::uint64_t kWritten = 1;
constexpr std::uint64_t kMixedBackrefs = 1ULL << 56U;  ///< revision of back references, in the flags

}  // namespace

void put_key(std::string& out, const Key& key) {
  put_little(out, key.objectid);
  put_little(out, key.type, 1);
  put_little(out, key.offset);
}

BTree::BTree(std::uint64_t owner, Items items) : owner_(owner), items_(std::move(items)) {
  std::vector<Range> leaves{Range{}};
  std::size_t room = kLeafRoom;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const std::size_t size = kItemHead + items_[i].data.size();
    check(size <= kLeafRoom && (i == 0 || items_[i - 1].key < items_[i].key),
          "items of a tree are sorted and fit into a leaf");
    if (size > room) {
      leaves.push_back({.first = i});
      room = kLeafRoom;
    }
    ++leaves.back().count;
    room -= size;
  }
  levels_.push_back(std::move(leaves));
  while (levels_.back().size() > 1) {
    const std::size_t below = levels_.back().size();
    std::vector<Range> level;
    for (std::size_t first = 0; first < below; first += kPointersInNode)
      level.push_back({first, std::min(kPointersInNode, below - first)});
    levels_.push_back(std::move(level));
  }
}

std::size_t BTree::node_count() const {
  return level_start(levels_.size());
}

std::size_t BTree::level_start(std::size_t level) const {
  std::size_t start = 0;
  for (std::size_t i = 0; i < level; ++i) start += levels_[i].size();
  return start;
}

std::uint8_t BTree::level_of(std::size_t node) const {
  std::uint8_t level = 0;
  while (node >= levels_[level].size()) node -= levels_[level++].size();
  return level;
}

void BTree::place(std::vector<std::uint64_t> addresses) {
  check(addresses.size() == node_count(), "every node gets an address");
  addresses_ = std::move(addresses);
}

const Key& BTree::first_key(std::size_t level, std::size_t index) const {
  while (level > 0) index = levels_[level--][index].first;
  return items_[levels_[0][index].first].key;
}

void BTree::put_leaf(std::string& node, const Range& range) const {
  std::size_t end = kLeafRoom;
  for (std::size_t i = range.first; i < range.first + range.count; ++i) {
    const Item& item = items_[i];
    end -= item.data.size();
    put_key(node, item.key);
    put_little(node, end, 4);
    put_little(node, item.data.size(), 4);
  }
  node.resize(kNode, '\0');
  end = kNode;
  for (std::size_t i = range.first; i < range.first + range.count; ++i) {
    end -= items_[i].data.size();
    std::copy(items_[i].data.begin(), items_[i].data.end(),
              node.begin() + static_cast<std::string::difference_type>(end));
  }
}

void BTree::put_pointers(std::string& node, std::size_t level, const Range& range) const {
  for (std::size_t i = range.first; i < range.first + range.count; ++i) {
    put_key(node, first_key(level - 1, i));
    put_little(node, addresses_[level_start(level - 1) + i]);
    put_little(node, kGeneration);
  }
  node.resize(kNode, '\0');
}

std::string BTree::node_bytes(std::size_t node, const NodeIdentity& identity) const {
  const std::size_t level = level_of(node);
  const Range& range = levels_[level][node - level_start(level)];
  std::string bytes(kChecksum, '\0');
  bytes.reserve(kNode);
  bytes += uuid_bytes(identity.filesystem);
  put_little(bytes, addresses_[node]);
  put_little(bytes, kWritten | kMixedBackrefs);
  bytes += uuid_bytes(identity.chunk_tree);
  put_little(bytes, kGeneration);
  put_little(bytes, owner_);
  put_little(bytes, range.count, 4);
  put_little(bytes, level, 1);
  if (level == 0)
    put_leaf(bytes, range);
  else
    put_pointers(bytes, level, range);
  set_little(bytes, 0, block_sum(bytes), 4);
  return bytes;
}

}  // namespace alephc::btrfs
