// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "image/btrfs/format.hpp"
#include "image/byte_source.hpp"

namespace alephc::btrfs {

/// A filesystem on one device, opened for reading. Checksums of nodes are checked where they are CRC-32C, the
/// usual sum. Anything that cannot be is an integrity Error.
class Volume {
 public:
  /// The source outlives the volume.
  explicit Volume(const ByteSource& device);

  /// Every item of a tree in key order.
  using Visit = std::function<void(const Key& key, std::string_view data)>;
  void walk(std::uint64_t root, const Visit& visit) const;
  /// Bytes at an address of the filesystem. Of several copies the kernel takes any: they must be equal.
  [[nodiscard]] std::string read(std::uint64_t address, std::uint64_t size) const;

  /// Address of the root of a subvolume's tree.
  [[nodiscard]] std::uint64_t subvolume_root(std::uint64_t id) const;
  /// The subvolume that a mount shows.
  [[nodiscard]] std::uint64_t default_subvolume() const { return default_; }

 private:
  struct Chunk {
    std::uint64_t length = 0;
    std::vector<std::uint64_t> copies{};  ///< where it is on the device
  };
  void read_superblock();
  void add_chunk(std::uint64_t logical, std::string_view item);
  void walk_node(std::uint64_t address, int level, const Visit& visit) const;

  const ByteSource& device_;
  mutable std::uint64_t nodes_ = 0;  ///< read so far, see walk_node
  std::uint32_t node_size_ = 0;
  std::uint64_t root_tree_ = 0;
  std::uint64_t chunk_tree_ = 0;
  std::map<std::uint64_t, Chunk> chunks_;         ///< by logical address
  std::map<std::uint64_t, std::uint64_t> roots_;  ///< subvolume → its tree
  std::uint64_t default_ = kFsTree;
};

[[noreturn]] void damaged(const std::string& what);
[[nodiscard]] Key read_key(std::string_view bytes);  ///< of 17 bytes
/// A little-endian number at a place; an Error if it is not there.
[[nodiscard]] std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size);
[[nodiscard]] std::string_view bytes_at(std::string_view bytes, std::size_t at, std::size_t size);

}  // namespace alephc::btrfs
