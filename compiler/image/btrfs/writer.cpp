// SPDX-License-Identifier: MIT
// btrfs in one transaction: a system chunk, chunks of data, a chunk of metadata, each at the same address of
// the filesystem and of its one device, all single. Contents first, in listing order; then every tree, its
// nodes full and one after the other.
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
constexpr std::size_t kSuperblockSize = 4096;

std::uint64_t round_up(std::uint64_t value) {
  return (value + kMiB - 1) / kMiB * kMiB;
}

struct Chunk {
  Space space{};
  std::uint64_t flags = 0;
  std::uint64_t used = 0;
};

class FilesystemWriter {
 public:
  FilesystemWriter(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place)
      : tree_(tree),
        options_(options),
        place_(place),
        identity_{filesystem_uuid(options.seed), derived_uuid(options.seed, "btrfs chunk tree")},
        device_(derived_uuid(options.seed, "btrfs device")) {}

  std::uint64_t run() {
    contents_ = write_data(tree_, options_, place_, kFirstChunk + kSystemLength);
    make_fixed_trees();
    settle();
    const std::uint64_t needed = chunks_.back().space.end() + kMiB;
    if (total_ < needed) throw size_too_small(place_, needed);
    write_nodes();
    write_superblocks();
    return total_;
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
    add_tree(kCsumTree, csum_items());
    add_tree(kUuidTree, uuid_items());
    for (const std::uint64_t owner : {kRootTree, kDevTree, kFreeSpaceTree, kExtentTree, kChunkTree})
      add_tree(owner, {});
  }
  void add_tree(std::uint64_t owner, Items items) {
    trees_[owner] = std::make_unique<BTree>(owner, std::move(items));
  }

  [[nodiscard]] Items csum_items() const {
    // As many as the kernel puts into one item.
    constexpr std::size_t kMost = (kLeafRoom - 2 * kItemHead) / sizeof(std::uint32_t) - 1;
    Items items;
    std::uint64_t end = 0;
    std::size_t count = 0;
    for (const Space& used : contents_.used)
      for (std::uint64_t at = used.start; at < used.end(); at += kSector) {
        if (at != end || count == kMost) {
          items.push_back({{kExtentCsum, kCsumItem, at}, {}});
          count = 0;
        }
        put_little(items.back().data, contents_.sums[(at - contents_.start) / kSector], 4);
        end = at + kSector;
        ++count;
      }
    return items;
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
      made.push_back(std::make_unique<BTree>(kDevTree, dev_items()));
      made.push_back(std::make_unique<BTree>(kFreeSpaceTree, free_space_items()));
      made.push_back(std::make_unique<BTree>(kExtentTree, extent_items()));
      made.push_back(std::make_unique<BTree>(kChunkTree, chunk_items()));
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
    chunks_ = {{.space = {kFirstChunk, kSystemLength}, .flags = kSystem}};
    const std::uint64_t data_end = std::max(round_up(contents_.end), contents_.start + kLeastData);
    for (std::uint64_t at = contents_.start; at < data_end; at += kLargestDataChunk)
      chunks_.push_back({.space = {at, std::min(kLargestDataChunk, data_end - at)}, .flags = kData});
    constexpr std::uint64_t kNoEnd = 1ULL << 62U;
    SpaceSupply system(kFirstChunk, kSystemLength);
    SpaceSupply metadata(data_end, kNoEnd);
    nodes_.clear();
    for (const auto& [owner, tree] : trees_) {
      std::vector<std::uint64_t> addresses;
      for (std::size_t i = 0; i < tree->node_count(); ++i) {
        addresses.push_back((owner == kChunkTree ? system : metadata).take_whole(kNode).start);
        nodes_[addresses.back()] = {owner, i};
      }
      tree->place(std::move(addresses));
    }
    const std::uint64_t used = metadata.next() - data_end;
    chunks_.push_back({.space = {data_end, round_up(used + used / 4 + kMetadataSlack)}, .flags = kMetadata});
    const std::uint64_t slack = std::max((contents_.end - contents_.start) / 10, kLeastSlack);
    total_ = place_.size ? *place_.size : chunks_.back().space.end() + round_up(slack);
    for (const Space& space : contents_.used) chunk_of(space.start).used += space.length;
    for (const auto& [address, node] : nodes_) chunk_of(address).used += kNode;
  }

  Chunk& chunk_of(std::uint64_t address) {
    return *std::find_if(chunks_.begin(), chunks_.end(), [&](const Chunk& chunk) {
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

  [[nodiscard]] Items dev_items() const {
    Items items;
    for (const Chunk& chunk : chunks_) {
      std::string item;
      put_little(item, kChunkTree);
      put_little(item, kFirstFree);
      put_little(item, chunk.space.start);
      put_little(item, chunk.space.length);
      item += uuid_bytes(identity_.chunk_tree);
      items.push_back({{kDevice, kDevExtent, chunk.space.start}, item});
    }
    return items;
  }

  [[nodiscard]] std::string device_item() const {
    std::uint64_t allocated = 0;
    for (const Chunk& chunk : chunks_) allocated += chunk.space.length;
    std::string item;
    put_little(item, kDevice);
    put_little(item, total_);
    put_little(item, allocated);
    for (int i = 0; i < 3; ++i) put_little(item, kSector, 4);  // alignment, width, sector
    put_little(item, 0);                                       // type
    put_little(item, 0);                                       // generation
    put_little(item, 0);                                       // start
    put_little(item, 0, 4 + 1 + 1);                            // group, speeds
    item += uuid_bytes(device_);
    item += uuid_bytes(identity_.filesystem);
    return item;
  }

  [[nodiscard]] std::string chunk_item(const Chunk& chunk) const {
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
    item += uuid_bytes(device_);
    return item;
  }

  [[nodiscard]] Items chunk_items() const {
    Items items{{{kDevice, kDevItem, kDevice}, device_item()}};
    for (const Chunk& chunk : chunks_)
      items.push_back({{kFirstFree, kChunkItem, chunk.space.start}, chunk_item(chunk)});
    return items;
  }

  /// What is not used of a chunk.
  [[nodiscard]] std::vector<Space> free_spaces(const Chunk& chunk) const {
    std::vector<Space> spaces;
    std::uint64_t at = chunk.space.start;
    const auto take = [&](const Space& used) {
      if (used.start > at) spaces.push_back({at, used.start - at});
      at = used.end();
    };
    if (chunk.flags == kData) {
      auto used =
          std::lower_bound(contents_.used.begin(), contents_.used.end(), at,
                           [](const Space& space, std::uint64_t start) { return space.start < start; });
      for (; used != contents_.used.end() && used->start < chunk.space.end(); ++used) take(*used);
    } else {
      for (auto node = nodes_.lower_bound(at); node != nodes_.end() && node->first < chunk.space.end();
           ++node)
        take({node->first, kNode});
    }
    take({chunk.space.end(), 0});
    return spaces;
  }

  [[nodiscard]] Items free_space_items() const {
    Items items;
    for (const Chunk& chunk : chunks_) {
      const std::vector<Space> spaces = free_spaces(chunk);
      std::string info;
      put_little(info, spaces.size(), 4);
      put_little(info, 0, 4);
      Items extents;
      for (const Space& space : spaces)
        extents.push_back({{space.start, kFreeSpaceExtent, space.length}, {}});
      items.push_back({{chunk.space.start, kFreeSpaceInfo, chunk.space.length}, info});
      items.insert(items.end(), extents.begin(), extents.end());
    }
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
    for (const auto& [address, node] : nodes_) {
      std::string item;
      put_little(item, 1);
      put_little(item, kGeneration);
      put_little(item, 2);  // a node
      put_little(item, kTreeBlockRef, 1);
      put_little(item, node.owner);
      const std::uint8_t level = trees_.at(node.owner)->level_of(node.index);
      items.push_back({{address, kMetadataItem, level}, item});
    }
    for (const Chunk& chunk : chunks_) {
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
    if (::truncate(place_.file.c_str(), static_cast<off_t>(place_.offset + total_)) != 0)
      throw system_error("make an image of " + std::to_string(total_) + " bytes", errno);
    const UniqueFd image = open_file(place_.file, O_WRONLY);
    std::vector<std::pair<std::uint64_t, Node>> nodes(nodes_.begin(), nodes_.end());
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
        bytes += trees_.at(nodes[i].second.owner)->node_bytes(nodes[i].second.index, identity_);
      }
      put(image.get(), start, bytes);
    });
  }

  void put(int image, std::uint64_t address, std::string_view bytes) const {
    write_all_at(image, place_.offset + address, bytes);
  }

  [[nodiscard]] std::uint64_t incompatible_features() const {
    constexpr std::uint64_t kMixedBackref = 1U << 0U;
    constexpr std::uint64_t kDefaultSubvolume = 1U << 1U;
    constexpr std::uint64_t kHasZstd = 1U << 4U;
    constexpr std::uint64_t kBigMetadata = 1U << 5U;
    constexpr std::uint64_t kExtendedIref = 1U << 6U;
    constexpr std::uint64_t kSkinnyMetadata = 1U << 8U;
    constexpr std::uint64_t kNoHoles = 1U << 9U;
    return kMixedBackref | kBigMetadata | kExtendedIref | kSkinnyMetadata | kNoHoles |
           (has_subvolume() ? kDefaultSubvolume : 0) | (options_.image.compression == "zstd" ? kHasZstd : 0);
  }

  [[nodiscard]] std::string superblock(std::uint64_t address) const {
    constexpr std::uint64_t kFreeSpaceTreeValid = 3;  // there, and to be believed
    constexpr std::size_t kLabel = 256;
    constexpr std::size_t kSystemArray = 2048;
    const Chunk& system = chunks_.front();
    std::string array;
    put_key(array, {kFirstFree, kChunkItem, system.space.start});
    array += chunk_item(system);
    std::uint64_t used = 0;
    for (const Chunk& chunk : chunks_) used += chunk.used;
    std::string block(kChecksum, '\0');
    block += uuid_bytes(identity_.filesystem);
    put_little(block, address);
    put_little(block, 1);  // written
    block += "_BHRfS_M";
    put_little(block, kGeneration);
    put_little(block, trees_.at(kRootTree)->root());
    put_little(block, trees_.at(kChunkTree)->root());
    put_little(block, 0);  // log
    put_little(block, 0);
    put_little(block, total_);
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
    put_little(block, incompatible_features());
    put_little(block, 0, 2);  // CRC-32C
    put_little(block, trees_.at(kRootTree)->level(), 1);
    put_little(block, trees_.at(kChunkTree)->level(), 1);
    put_little(block, 0, 1);
    block += device_item();
    std::string label = options_.image.label;
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

  void write_superblocks() const {
    const UniqueFd image = open_file(place_.file, O_WRONLY);
    for (const std::uint64_t address : kSuperblocks)
      if (address + kStripe <= total_) put(image.get(), address, superblock(address));
  }

  static constexpr std::uint64_t kDevice = 1;
  static constexpr std::uint64_t kSubvolumeIndex = 2;

  struct Node {
    std::uint64_t owner = 0;
    std::size_t index = 0;
  };

  const Tree& tree_;
  const WriteOptions& options_;
  const FilesystemPlace& place_;
  NodeIdentity identity_;
  Uuid device_;
  Contents contents_;
  std::vector<std::uint64_t> inodes_;
  std::map<std::uint64_t, std::unique_ptr<BTree>> trees_;  ///< by owner
  std::map<std::uint64_t, Node> nodes_;                    ///< by address
  std::vector<Chunk> chunks_;                              ///< by address: system, data, metadata
  std::uint64_t total_ = 0;
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
