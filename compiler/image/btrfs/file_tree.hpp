// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/btrfs/data.hpp"
#include "image/btrfs/format.hpp"

namespace alephc::btrfs {

/// What an inode is, apart from its names.
struct Inode {
  std::uint64_t size = 0;
  std::uint64_t bytes = 0;  ///< taken on disk
  std::uint32_t links = 1;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t mode = 0;  ///< with its type
  std::uint64_t device = 0;
  std::int64_t time = 0;
};
[[nodiscard]] std::string inode_item(const Inode& inode);  ///< 160 bytes
[[nodiscard]] std::string inode_ref(std::uint64_t index, std::string_view name);

/// Hash of names in folders and of attributes.
[[nodiscard]] std::uint64_t name_hash(std::string_view name);
/// A name in a folder (or of an attribute, with its value) and what it leads to.
[[nodiscard]] std::string dir_item(const Key& location, std::uint8_t type, std::string_view name,
                                   std::string_view value = {});
inline constexpr std::uint8_t kTypeFolder = 2;

/// A subvolume that holds a tree.
struct FileTreeItems {
  Items items{};
  std::vector<std::uint64_t> inodes{};  ///< of each entry: from kFirstFree on, in listing order
};
/// Throws an Error naming the path that btrfs cannot hold.
[[nodiscard]] FileTreeItems file_tree(const Tree& tree, const WriteOptions& options,
                                      const std::vector<FileData>& files);

/// The items of a subvolume with nothing but its root folder, and subvolumes in it.
struct Subvolume {
  std::uint64_t id = 0;
  std::string name{};
  std::uint64_t index = 0;  ///< of its name in the folder
};
[[nodiscard]] Items empty_subvolume(std::int64_t time, const std::vector<Subvolume>& subvolumes);

}  // namespace alephc::btrfs
