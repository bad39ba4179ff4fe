// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "image/btrfs/btree.hpp"
#include "image/btrfs/data.hpp"
#include "image/derived_uuid.hpp"
#include "image/image_spec.hpp"

namespace alephc::btrfs {

struct Chunk {
  Space space{};
  std::uint64_t flags = 0;
  std::uint64_t used = 0;
};

/// A node of a tree, by the tree's owner and its number there.
struct Node {
  std::uint64_t owner = 0;
  std::size_t index = 0;
};

/// Where everything is on the one device: what the chunk, device, free space and checksum trees and the superblock say.
struct Layout {
  const Contents& contents;
  NodeIdentity identity{};
  Uuid device{};
  std::vector<Chunk> chunks{};            ///< by address: system, data, metadata
  std::map<std::uint64_t, Node> nodes{};  ///< by address
  std::uint64_t total = 0;                ///< bytes of the device
};

[[nodiscard]] Items csum_items(const Contents& contents);
[[nodiscard]] Items dev_items(const Layout& layout);
[[nodiscard]] Items chunk_items(const Layout& layout);
[[nodiscard]] Items free_space_items(const Layout& layout);

/// The trees that the superblock names.
struct Roots {
  const BTree& root;
  const BTree& chunk;
};
[[nodiscard]] std::string superblock(const Layout& layout, const Roots& roots, const ImageSpec& image,
                                     std::uint64_t address);

}  // namespace alephc::btrfs
