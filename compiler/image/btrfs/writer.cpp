// SPDX-License-Identifier: MIT
//
// btrfs in one transaction: a system chunk, chunks of data, a chunk of metadata, each at the same address of the filesystem
// and of its one device, all single. Contents are written first (data.cpp), in listing order; then every tree, its nodes
// full and one after the other.
//
// The difficulty is that trees hold the places of nodes, of all trees and of themselves: a place for one more node makes an
// item more in the extent tree and changes the free space tree, which may then need a node more. settle() gives places,
// makes those trees, and does so again until none has another number of nodes than it was given places for. More places
// never make fewer nodes, so that this ends; it takes two or three rounds.
//
// Invariants:
// - Nothing is written before all is settled but contents, whose places do not depend on metadata.
// - Nodes have places in the order of their trees' owners, leaves first: the same tree gives the same bytes.
// - UUIDs come from the seed, times from WriteOptions; generation 1 everywhere.
//
// Not handled: RAID profiles and mixed groups, checksums but CRC-32C, snapshots. The format is
// btrfs.readthedocs.io, "On-disk Format"; judged by `btrfs check` and the kernel (tests/integration/images_tests.py).
#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"
#include "base/parallel.hpp"
#include "image/btrfs/btree.hpp"
#include "image/btrfs/btrfs.hpp"
#include "image/btrfs/chunks.hpp"
#include "image/btrfs/data.hpp"
#include "image/btrfs/file_tree.hpp"
#include "image/filesystem_image.hpp"

namespace alephc {
namespace btrfs {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kSystemLength = 4 * kMiB;
constexpr std::uint64_t kLeastData = 8 * kMiB;
constexpr std::uint64_t kMetadataSlack = 16 * kMiB;  ///< what the kernel wants for itself before it says full
constexpr std::uint64_t kLeastSlack = 16 * kMiB;     ///< in no chunk yet
constexpr std::uint64_t kSubvolume = kFirstFree;     ///< id of the one that holds the tree

std::uint64_t whole_mebibytes(std::uint64_t value) {
  return (value + kMiB - 1) / kMiB * kMiB;
}

class FilesystemWriter {
 public:
  FilesystemWriter(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place)
      : tree_(tree),
        options_(options),
        place_(place),
        layout_{.contents = contents_,
                .identity = {filesystem_uuid(options.seed), derived_uuid(options.seed, "btrfs chunk tree")},
                .device = derived_uuid(options.seed, "btrfs device")} {}

  std::uint64_t run() {
    contents_ = write_data(tree_, options_, place_, kFirstChunk + kSystemLength);
    make_fixed_trees();
    settle();
    const std::uint64_t needed = layout_.chunks.back().space.end() + kMiB;
    if (layout_.total < needed) throw size_too_small(place_, needed);
    write_nodes();
    write_superblocks();
    return layout_.total;
  }

 private:
  [[nodiscard]] bool has_subvolume() const { return !options_.image.subvolume.empty(); }
  [[nodiscard]] std::uint64_t file_tree_id() const { return has_subvolume() ? kSubvolume : kFsTree; }
  [[nodiscard]] Uuid subvolume_uuid(std::uint64_t id) const {
    return derived_uuid(options_.seed, "btrfs subvolume " + std::to_string(id));
  }

  /// Trees whose items do not depend on where nodes are.
  void make_fixed_trees() {
    FileTreeItems files = file_tree(tree_, options_, contents_.files);
    inodes_ = std::move(files.inodes);
    add_tree(file_tree_id(), std::move(files.items));
    if (has_subvolume())
      add_tree(kFsTree,
               empty_subvolume(options_.time, {{kSubvolume, options_.image.subvolume, kSubvolumeIndex}}));
    add_tree(kDataRelocTree, empty_subvolume(options_.time, {}));
    add_tree(kCsumTree, csum_items(contents_));
    add_tree(kUuidTree, uuid_items());
    for (const std::uint64_t owner : {kRootTree, kDevTree, kFreeSpaceTree, kExtentTree, kChunkTree})
      add_tree(owner, {});
  }
  void add_tree(std::uint64_t owner, Items items) {
    trees_[owner] = std::make_unique<BTree>(owner, std::move(items));
  }

  [[nodiscard]] Items uuid_items() const {
    Items items;
    for (const std::uint64_t id : {static_cast<std::uint64_t>(kFsTree), file_tree_id()}) {
      const Uuid uuid = subvolume_uuid(id);
      const std::string_view bytes = uuid_bytes(uuid);
      std::string data;
      put_little(data, id);
      items.push_back(
          {{read_little(bytes.substr(0, 8)), kUuidSubvolume, read_little(bytes.substr(8))}, data});
      if (!has_subvolume()) break;
    }
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.key < b.key; });
    return items;
  }

  /// Nodes hold the places of nodes, and the extent tree those of its own: made again until no tree has
  /// another number of nodes than it was given places for. More places never make fewer nodes.
  void settle() {
    for (bool settled = false; !settled;) {
      place_nodes();
      std::vector<std::unique_ptr<BTree>> made;
      made.push_back(std::make_unique<BTree>(kRootTree, root_items()));
      made.push_back(std::make_unique<BTree>(kDevTree, dev_items(layout_)));
      made.push_back(std::make_unique<BTree>(kFreeSpaceTree, free_space_items(layout_)));
      made.push_back(std::make_unique<BTree>(kExtentTree, extent_items()));
      made.push_back(std::make_unique<BTree>(kChunkTree, chunk_items(layout_)));
      settled = std::all_of(made.begin(), made.end(), [&](const auto& tree) {
        return tree->node_count() == trees_[tree->owner()]->node_count();
      });
      for (auto& tree : made) {
        if (settled) tree->place(trees_[tree->owner()]->addresses());
        trees_[tree->owner()] = std::move(tree);
      }
    }
  }

  void place_nodes() {
    layout_.chunks = {{.space = {kFirstChunk, kSystemLength}, .flags = kSystem}};
    const std::uint64_t data_end = std::max(whole_mebibytes(contents_.end), contents_.start + kLeastData);
    for (std::uint64_t at = contents_.start; at < data_end; at += kLargestDataChunk)
      layout_.chunks.push_back({.space = {at, std::min(kLargestDataChunk, data_end - at)}, .flags = kData});
    constexpr std::uint64_t kNoEnd = 1ULL << 62U;
    SpaceSupply system(kFirstChunk, kSystemLength);
    SpaceSupply metadata(data_end, kNoEnd);
    layout_.nodes.clear();
    for (const auto& [owner, tree] : trees_) {
      std::vector<std::uint64_t> addresses;
      for (std::size_t i = 0; i < tree->node_count(); ++i) {
        addresses.push_back((owner == kChunkTree ? system : metadata).take_whole(kNode).start);
        layout_.nodes[addresses.back()] = {owner, i};
      }
      tree->place(std::move(addresses));
    }
    const std::uint64_t used = metadata.next() - data_end;
    layout_.chunks.push_back(
        {.space = {data_end, whole_mebibytes(used + used / 4 + kMetadataSlack)}, .flags = kMetadata});
    const std::uint64_t slack = std::max((contents_.end - contents_.start) / 10, kLeastSlack);
    layout_.total = place_.size ? *place_.size : layout_.chunks.back().space.end() + whole_mebibytes(slack);
    for (const Space& space : contents_.used) chunk_of(space.start).used += space.length;
    for (const auto& [address, node] : layout_.nodes) chunk_of(address).used += kNode;
  }

  Chunk& chunk_of(std::uint64_t address) {
    return *std::find_if(layout_.chunks.begin(), layout_.chunks.end(), [&](const Chunk& chunk) {
      return address >= chunk.space.start && address < chunk.space.end();
    });
  }

  [[nodiscard]] std::string root_item(std::uint64_t owner) const {
    const BTree& tree = *trees_.at(owner);
    const bool is_subvolume = owner == kFsTree || owner == kSubvolume;
    std::string item = inode_item({.size = 3, .bytes = kNode, .mode = S_IFDIR | 0755U});
    put_little(item, kGeneration);
    put_little(item, is_subvolume || owner == kDataRelocTree ? std::uint64_t{kFirstFree} : 0);
    put_little(item, tree.root());
    put_little(item, 0);  // limit
    put_little(item, tree.node_count() * kNode);
    put_little(item, 0);        // last snapshot
    put_little(item, 0);        // flags
    put_little(item, 1, 4);     // references
    item.append(17 + 1, '\0');  // progress of a removal
    put_little(item, tree.level(), 1);
    put_little(item, kGeneration);
    item += uuid_bytes(is_subvolume ? subvolume_uuid(owner) : Uuid{});
    item.append(2 * sizeof(Uuid), '\0');  // not a snapshot, not received
    put_little(item, is_subvolume ? kGeneration : 0);
    put_little(item, is_subvolume ? kGeneration : 0);
    item.append(16, '\0');
    for (int i = 0; i < 2; ++i) {  // changed, made
      put_little(item, is_subvolume ? static_cast<std::uint64_t>(options_.time) : 0);
      put_little(item, 0, 4);
    }
    item.append(2 * 12 + 64, '\0');  // sent, received, reserved
    return item;
  }

  [[nodiscard]] Items root_items() const {
    const std::string name = "default";
    Items items;
    for (const auto& [owner, tree] : trees_)
      if (owner != kRootTree && owner != kChunkTree)
        items.push_back({{owner, kRootItem, 0}, root_item(owner)});
    items.push_back({{kFsTree, kInodeRef, kRootTreeDir}, inode_ref(0, name)});
    items.push_back(
        {{kRootTreeDir, kInodeItem, 0},
         inode_item({.size = 3, .bytes = kNode, .mode = S_IFDIR | 0755U, .time = options_.time})});
    items.push_back({{kRootTreeDir, kInodeRef, kRootTreeDir}, inode_ref(0, "..")});
    items.push_back(
        {{kRootTreeDir, kDirItem, name_hash(name)},
         dir_item({file_tree_id(), kRootItem, static_cast<std::uint64_t>(-1)}, kTypeFolder, name)});
    if (has_subvolume()) {
      std::string ref;
      put_little(ref, kFirstFree);
      ref += inode_ref(kSubvolumeIndex, options_.image.subvolume);
      items.push_back({{kFsTree, kRootRef, kSubvolume}, ref});
      items.push_back({{kSubvolume, kRootBackref, kFsTree}, ref});
    }
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.key < b.key; });
    return items;
  }

  [[nodiscard]] Items extent_items() const {
    Items items;
    for (std::size_t i = 0; i < contents_.files.size(); ++i)
      for (const FileExtent& extent : contents_.files[i].extents) {
        std::string item;
        put_little(item, 1);  // references
        put_little(item, kGeneration);
        put_little(item, 1);  // data
        put_little(item, kExtentDataRef, 1);
        put_little(item, file_tree_id());
        put_little(item, inodes_[i]);
        put_little(item, extent.offset);
        put_little(item, 1, 4);
        items.push_back({{extent.disk.start, kExtentItem, extent.disk.length}, item});
      }
    for (const auto& [address, node] : layout_.nodes) {
      std::string item;
      put_little(item, 1);
      put_little(item, kGeneration);
      put_little(item, 2);  // a node
      put_little(item, kTreeBlockRef, 1);
      put_little(item, node.owner);
      const std::uint8_t level = trees_.at(node.owner)->level_of(node.index);
      items.push_back({{address, kMetadataItem, level}, item});
    }
    for (const Chunk& chunk : layout_.chunks) {
      std::string item;
      put_little(item, chunk.used);
      put_little(item, kFirstFree);
      put_little(item, chunk.flags);
      items.push_back({{chunk.space.start, kBlockGroupItem, chunk.space.length}, item});
    }
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.key < b.key; });
    return items;
  }

  void write_nodes() const {
    if (::truncate(place_.file.c_str(), static_cast<off_t>(place_.offset + layout_.total)) != 0)
      throw system_error("make an image of " + std::to_string(layout_.total) + " bytes", errno);
    const UniqueFd image = open_file(place_.file, O_WRONLY);
    std::vector<std::pair<std::uint64_t, Node>> nodes(layout_.nodes.begin(), layout_.nodes.end());
    // Nodes lie one behind the other: written by the MiB.
    constexpr std::size_t kAtOnce = kMiB / kNode;
    parallel_for((nodes.size() + kAtOnce - 1) / kAtOnce, options_.jobs, [&](std::size_t part) {
      std::string bytes;
      const std::size_t end = std::min(nodes.size(), (part + 1) * kAtOnce);
      std::uint64_t start = nodes[part * kAtOnce].first;
      for (std::size_t i = part * kAtOnce; i < end; ++i) {
        if (start + bytes.size() != nodes[i].first) {
          put(image.get(), start, bytes);
          start = nodes[i].first;
          bytes.clear();
        }
        bytes += trees_.at(nodes[i].second.owner)->node_bytes(nodes[i].second.index, layout_.identity);
      }
      put(image.get(), start, bytes);
    });
  }

  void put(int image, std::uint64_t address, std::string_view bytes) const {
    write_all_at(image, place_.offset + address, bytes);
  }

  void write_superblocks() const {
    const UniqueFd image = open_file(place_.file, O_WRONLY);
    const Roots roots{*trees_.at(kRootTree), *trees_.at(kChunkTree)};
    for (const std::uint64_t address : kSuperblocks)
      if (address + kStripe <= layout_.total)
        put(image.get(), address, superblock(layout_, roots, options_.image, address));
  }

  static constexpr std::uint64_t kSubvolumeIndex = 2;

  const Tree& tree_;
  const WriteOptions& options_;
  const FilesystemPlace& place_;
  Contents contents_;
  std::vector<std::uint64_t> inodes_;
  std::map<std::uint64_t, std::unique_ptr<BTree>> trees_;  ///< by owner
  Layout layout_;
};

}  // namespace
}  // namespace btrfs

std::uint64_t write_btrfs_at(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place) {
  constexpr std::size_t kLongestLabel = 255;
  if (options.image.label.size() > kLongestLabel)
    throw Error(ErrorKind::failed, "image.label is longer than the " + std::to_string(kLongestLabel) +
                                       " bytes that btrfs has for it");
  return btrfs::FilesystemWriter(tree, options, place).run();
}

void write_btrfs(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) {
  (void)open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  (void)write_btrfs_at(tree, options, {.file = path, .size = options.image.size});
}

}  // namespace alephc
