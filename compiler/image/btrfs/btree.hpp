// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/btrfs/format.hpp"
#include "image/derived_uuid.hpp"

namespace alephc::btrfs {

/// What every node of a filesystem says of it.
struct NodeIdentity {
  Uuid filesystem{};
  Uuid chunk_tree{};
};

void put_key(std::string& out, const Key& key);  ///< 17 bytes

/// Items in key order, packed into nodes as full as they get.
/// Addresses are given afterwards: no size depends on them.
class BTree {
 public:
  BTree(std::uint64_t owner, Items items);

  [[nodiscard]] std::uint64_t owner() const { return owner_; }
  [[nodiscard]] std::size_t node_count() const;
  [[nodiscard]] std::uint8_t level() const { return static_cast<std::uint8_t>(levels_.size() - 1); }
  [[nodiscard]] std::uint8_t level_of(std::size_t node) const;

  /// One address a node, leaves first, each level left to right; the root is last.
  void place(std::vector<std::uint64_t> addresses);
  [[nodiscard]] const std::vector<std::uint64_t>& addresses() const { return addresses_; }
  [[nodiscard]] std::uint64_t root() const { return addresses_.back(); }
  /// The bytes of a node, checksum included.
  [[nodiscard]] std::string node_bytes(std::size_t node, const NodeIdentity& identity) const;

 private:
  struct Range {
    std::size_t first = 0;  ///< of the items, or of the nodes one level below
    std::size_t count = 0;
  };
  [[nodiscard]] const Key& first_key(std::size_t level, std::size_t index) const;
  [[nodiscard]] std::size_t level_start(std::size_t level) const;
  void put_leaf(std::string& node, const Range& range) const;
  void put_pointers(std::string& node, std::size_t level, const Range& range) const;

  std::uint64_t owner_;
  Items items_;
  std::vector<std::vector<Range>> levels_;  ///< leaves first
  std::vector<std::uint64_t> addresses_;
};

}  // namespace alephc::btrfs
