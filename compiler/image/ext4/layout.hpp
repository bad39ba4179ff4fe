// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/data_runs.hpp"
#include "tree/tree.hpp"

namespace alephc::ext4 {

inline constexpr std::uint32_t kBlock = 4096;
inline constexpr std::uint32_t kExtentBlocks = 32768;  ///< that one extent may have
inline constexpr std::uint32_t kRoot = 2;
inline constexpr std::uint32_t kLostAndFound = 11;  ///< the first inode that is not reserved

inline constexpr std::size_t kFastSymlink = 60;  ///< targets shorter than this stand in the inode

/// What a tree becomes in ext4, before anything has a place: numbers, names and amounts.
struct Layout {
  struct Node {
    std::uint32_t inode = 0;                 ///< hard links share that of their first path
    std::uint32_t links = 1;                 ///< paths, of folders those of their subfolders too
    std::vector<DataRun> runs{};             ///< regular files
    std::vector<std::string> folder_blocks;  ///< folders: linear, checksums not filled in
  };
  std::vector<Node> nodes{};     ///< one an entry of the tree
  std::string lost_and_found{};  ///< its block, or empty: the tree has one of its own
  std::uint32_t last_inode = 0;
  std::uint64_t blocks = 0;  ///< that contents, folders, attributes and extents may take
};

/// Throws an Error naming the path that ext4 cannot hold.
[[nodiscard]] Layout lay_out(const Tree& tree, unsigned jobs);

}  // namespace alephc::ext4
