// SPDX-License-Identifier: MIT
//
// ext4: superblock, groups, bitmaps, journal, attributes and checksums by libext2fs; numbers and places are ours. layout.cpp
// first says how many inodes and blocks a tree takes, which decides the size; then an empty filesystem of that size is made
// (EmptyFilesystem), as mke2fs makes one, and TreeWriter fills it: inodes are numbered and contents laid down in listing
// order, one after the other, folders before contents.
//
// Invariants:
// - Blocks are handed out from the front by BlockSupply; libext2fs hands out none of its own before settle(), where those
//   are counted.
// - Whatever mke2fs would draw or ask the clock for is set: UUID and hash seed from the seed, all times from WriteOptions.
// - The file is new and all zeros, so that tables are not written where they are zeros.
//
// Not handled: features that GRUB or older kernels cannot read; folders are linear, without an index of their names.
// Format: Linux, Documentation/filesystems/ext4. Judged by `e2fsck -f` and the kernel (tests/integration/images_tests.py).
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/little_endian.hpp"
#include "image/ext4/ext2fs.hpp"
#include "image/ext4/ext4.hpp"
#include "image/ext4/layout.hpp"
#include "image/filesystem_image.hpp"

namespace alephc {
namespace ext4 {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint32_t kInodeSize = 256;
constexpr std::uint64_t kBytesPerInode = 16384;  ///< free ones, as mke2fs has them
constexpr std::uint64_t kLeastSlack = 8 * kMiB / kBlock;

void write_must(errcode_t code, const std::string& doing) {
  if (code == 0) return;
  const bool is_system = code > 0 && code < 4096;
  if (is_system) throw system_error(doing, static_cast<int>(code));
  throw Error(ErrorKind::failed, "cannot " + doing + ": " + ::error_message(code));
}

/// What mke2fs makes of ext4, but for features that GRUB or older kernels cannot read.
void set_features(ext2_super_block& super) {
  super.s_feature_compat = EXT3_FEATURE_COMPAT_HAS_JOURNAL | EXT2_FEATURE_COMPAT_EXT_ATTR |
                           EXT2_FEATURE_COMPAT_RESIZE_INODE | EXT2_FEATURE_COMPAT_DIR_INDEX;
  super.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                             EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
  super.s_feature_ro_compat = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
                              EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
                              EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
}

/// A filesystem without any file: tables, journal, reserved inodes. Nothing is on disk before it is closed
/// but the journal.
class EmptyFilesystem {
 public:
  EmptyFilesystem(const WriteOptions& options, const FilesystemPlace& place, std::uint64_t blocks,
                  std::uint64_t inodes) {
    ext2_super_block parameters{};
    set_features(parameters);
    parameters.s_log_block_size = 2;
    parameters.s_rev_level = 1;
    parameters.s_inode_size = kInodeSize;
    parameters.s_desc_size = EXT2_MIN_DESC_SIZE_64BIT;
    parameters.s_log_groups_per_flex = 4;
    ext2fs_blocks_count_set(&parameters, blocks);
    ext2fs_r_blocks_count_set(&parameters, blocks / 20);
    parameters.s_inodes_count = static_cast<__u32>(std::min<std::uint64_t>(inodes, UINT32_MAX - 65536));
    ext2_filsys made = nullptr;
    write_must(::ext2fs_initialize(place.file.c_str(), EXT2_FLAG_64BITS, &parameters, unix_io_manager, &made),
         "lay out the filesystem");
    filesystem_.reset(made);
    write_must(io_channel_set_options(made->io, ("offset=" + std::to_string(place.offset)).c_str()),
         "write into a partition");
    name(options);
    write_must(::ext2fs_allocate_tables(made), "lay out the filesystem");
    reserve_inodes();
  }

  [[nodiscard]] ext2_filsys get() const { return filesystem_.get(); }
  [[nodiscard]] std::uint64_t free_blocks() const {
    return ext2fs_free_blocks_count(filesystem_->super) - journal_blocks();
  }

  /// Writes what has its own place; from here on the file is changed.
  void begin() {
    write_must(::ext2fs_create_resize_inode(get()), "reserve room to grow");
    if (journal_blocks() == 0) return;
    ext2fs_journal_params journal{};
    journal.num_journal_blocks = static_cast<blk_t>(journal_blocks());
    write_must(::ext2fs_add_journal_inode3(get(), &journal, get()->super->s_first_data_block,
                                     EXT2_MKJOURNAL_NO_MNT_CHECK | EXT2_MKJOURNAL_LAZYINIT),
         "make the journal");
  }

 private:
  void name(const WriteOptions& options) const {
    ext2_super_block& super = *filesystem_->super;
    const auto copy = [](auto& into, const Uuid& uuid) { std::memcpy(&into, uuid.data(), uuid.size()); };
    copy(super.s_uuid, filesystem_uuid(options.seed));
    copy(super.s_hash_seed, derived_uuid(options.seed, "ext4 folder hash"));
    super.s_checksum_type = EXT2_CRC32C_CHKSUM;
    ::ext2fs_init_csum_seed(get());
    std::memcpy(&super.s_volume_name, options.image.label.data(),
                std::min(options.image.label.size(), sizeof super.s_volume_name));
    filesystem_->now = options.time;
    super.s_mkfs_time = static_cast<__u32>(options.time);
    super.s_lastcheck = super.s_mkfs_time;
    super.s_def_hash_version = EXT2_HASH_HALF_MD4;
    super.s_flags |= EXT2_FLAGS_SIGNED_HASH;
    super.s_min_extra_isize = sizeof(ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE;
    super.s_want_extra_isize = super.s_min_extra_isize;
    super.s_max_mnt_count = -1;
    super.s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
    constexpr std::uint64_t kLeastWithJournal = 2048;
    if (ext2fs_blocks_count(&super) < kLeastWithJournal) ext2fs_clear_feature_journal(&super);
  }

  void reserve_inodes() const {
    for (ext2_ino_t number = 1; number < EXT2_FIRST_INODE(filesystem_->super); ++number)
      ::ext2fs_inode_alloc_stats2(get(), number, +1, number == kRoot ? 1 : 0);
    // All of the tables is zeros already: the file is new.
    for (dgrp_t group = 0; group < filesystem_->group_desc_count; ++group)
      ::ext2fs_bg_flags_set(get(), group, EXT2_BG_INODE_ZEROED);
    ::ext2fs_mark_super_dirty(get());
  }

  [[nodiscard]] std::uint64_t journal_blocks() const {
    if (ext2fs_has_feature_journal(filesystem_->super) == 0) return 0;
    const int blocks = ::ext2fs_default_journal_size(ext2fs_blocks_count(filesystem_->super));
    return blocks < 0 ? 0 : static_cast<std::uint64_t>(blocks);
  }

  Ext2Filesystem filesystem_;
};

struct Stretch {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// Hands out free blocks from the front.
class BlockSupply {
 public:
  explicit BlockSupply(ext2_filsys filesystem) : filesystem_(filesystem) {}

  std::vector<Stretch> take(std::uint64_t count) {
    std::vector<Stretch> stretches;
    while (count > 0) {
      if (free_.count == 0) find_next();
      const std::uint64_t part = std::min(count, free_.count);
      stretches.push_back({free_.first, part});
      free_ = {free_.first + part, free_.count - part};
      taken_ += part;
      count -= part;
    }
    return stretches;
  }
  std::uint64_t take_one() { return take(1).front().first; }

  /// Counts what was taken; from here on libext2fs may hand out blocks.
  void settle() {
    mark_taken();
    free_ = {};
  }

 private:
  void find_next() {
    mark_taken();
    const std::uint64_t last = ext2fs_blocks_count(filesystem_->super) - 1;
    const std::uint64_t from = free_.first;
    blk64_t first = 0;
    blk64_t end = 0;
    write_must(::ext2fs_find_first_zero_block_bitmap2(filesystem_->block_map, from, last, &first), "find room");
    if (::ext2fs_find_first_set_block_bitmap2(filesystem_->block_map, first, last, &end) != 0) end = last + 1;
    free_ = {first, end - first};
  }
  void mark_taken() {
    for (constexpr std::uint64_t kMost = 1U << 30U; taken_ > 0;) {
      const std::uint64_t part = std::min(taken_, kMost);
      ::ext2fs_block_alloc_stats_range(filesystem_, free_.first - taken_, static_cast<blk_t>(part), +1);
      taken_ -= part;
    }
  }

  ext2_filsys filesystem_;
  Stretch free_{};
  std::uint64_t taken_ = 0;  ///< in front of free_, not counted yet
};

struct Extent {
  std::uint64_t logical = 0;
  Stretch blocks{};
};

class TreeWriter {
 public:
  TreeWriter(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place, Layout layout,
             ext2_filsys filesystem)
      : tree_(tree),
        options_(options),
        place_(place),
        layout_(std::move(layout)),
        filesystem_(filesystem),
        supply_(filesystem),
        extents_(layout_.nodes.size()) {}

  void run() {
    place_all();
    for (std::size_t i = 0; i < layout_.nodes.size(); ++i) write_entry(i);
    if (!layout_.lost_and_found.empty()) write_lost_and_found();
    const UniqueFd image = open_file(place_.file, O_WRONLY);
    write_contents(tree_, files_, image.get(), options_.jobs);
  }

 private:
  /// Folders first, so that they lie together; then contents.
  void place_all() {
    const Listing& entries = tree_.entries();
    if (!layout_.lost_and_found.empty()) lost_and_found_at_ = supply_.take_one();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const bool long_link = entries[i].type == EntryType::symlink && entries[i].hard_link.empty() &&
                             entries[i].link_target.size() >= kFastSymlink;
      const std::uint64_t blocks = long_link ? 1 : layout_.nodes[i].folder_blocks.size();
      if (blocks > 0) add_extents(i, 0, supply_.take(blocks));
    }
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (entries[i].type == EntryType::regular && entries[i].hard_link.empty() && entries[i].size > 0)
        place_file(i);
    supply_.settle();
  }

  void place_file(std::size_t index) {
    PlacedFile file{.entry = index};
    for (const DataRun& run : layout_.nodes[index].runs) {
      const std::vector<Stretch> stretches = supply_.take((run.length + kBlock - 1) / kBlock);
      add_extents(index, run.start / kBlock, stretches);
      std::uint64_t start = run.start;
      for (const Stretch& stretch : stretches) {
        const std::uint64_t length = std::min(stretch.count * kBlock, run.start + run.length - start);
        file.runs.push_back({start, length, place_.offset + stretch.first * kBlock});
        start += length;
      }
    }
    files_.push_back(std::move(file));
  }

  void add_extents(std::size_t index, std::uint64_t logical, const std::vector<Stretch>& stretches) {
    for (Stretch stretch : stretches)
      while (stretch.count > 0) {
        const std::uint64_t part = std::min<std::uint64_t>(stretch.count, kExtentBlocks);
        extents_[index].push_back({logical, {stretch.first, part}});
        logical += part;
        stretch = {stretch.first + part, stretch.count - part};
      }
  }

  [[nodiscard]] ext2_inode_large plain_inode(const Entry& entry, std::uint32_t links) const {
    const std::int64_t time = options_.keep_times ? entry.mtime : options_.time;
    ext2_inode_large inode{};
    inode.i_mode = static_cast<__u16>(entry.mode | type_bits(entry.type));
    inode.i_uid = static_cast<__u16>(entry.uid);
    inode.osd2.linux2.l_i_uid_high = static_cast<__u16>(entry.uid >> 16U);
    inode.i_gid = static_cast<__u16>(entry.gid);
    inode.osd2.linux2.l_i_gid_high = static_cast<__u16>(entry.gid >> 16U);
    inode.i_links_count = static_cast<__u16>(links);
    inode.i_extra_isize = sizeof(ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE;
    const auto low = static_cast<__u32>(time);
    // Two bits beyond 2038.
    const auto high = static_cast<__u32>(((time - static_cast<std::int32_t>(low)) >> 32) & 3);
    inode.i_atime = inode.i_ctime = inode.i_mtime = inode.i_crtime = low;
    inode.i_atime_extra = inode.i_ctime_extra = inode.i_mtime_extra = inode.i_crtime_extra = high;
    return inode;
  }

  void write_entry(std::size_t index) {
    const Entry& entry = tree_.entries()[index];
    if (!entry.hard_link.empty()) return;
    const Layout::Node& node = layout_.nodes[index];
    ext2_inode_large inode = plain_inode(entry, node.links);
    std::uint64_t size = entry.type == EntryType::regular ? entry.size : 0;
    switch (entry.type) {
      using enum EntryType;
      case directory:
        size = node.folder_blocks.size() * kBlock;
        break;
      case symlink:
        size = entry.link_target.size();
        break;
      case char_device:
      case block_device:
        if (entry.major < 256 && entry.minor < 256)
          inode.i_block[0] = (entry.major << 8U) | entry.minor;
        else
          inode.i_block[1] = device_number(entry);
        break;
      default:
        break;
    }
    inode.i_size = static_cast<__u32>(size);
    inode.i_size_high = static_cast<__u32>(size >> 32U);
    if (node.inode > kLostAndFound || (node.inode == kLostAndFound && layout_.lost_and_found.empty()))
      ::ext2fs_inode_alloc_stats2(filesystem_, node.inode, +1, entry.type == EntryType::directory ? 1 : 0);
    if (entry.type == EntryType::symlink && entry.link_target.size() < kFastSymlink)
      std::memcpy(&inode.i_block, entry.link_target.data(), entry.link_target.size());
    else if (entry.type == EntryType::regular || entry.type == EntryType::directory ||
             entry.type == EntryType::symlink)
      map_blocks(index, inode);
    write_inode(node.inode, inode, "/" + entry.path);
    write_own_blocks(index);
    if (!entry.xattrs.empty()) write_xattrs(node.inode, entry);
  }

  void write_inode(std::uint32_t number, ext2_inode_large& inode, const std::string& what) const {
    write_must(::ext2fs_write_inode_full(filesystem_, number, reinterpret_cast<ext2_inode*>(&inode), sizeof inode),
         "write the inode of " + what);
  }

  /// Up to four extents stand in the inode; libext2fs builds trees of more.
  void map_blocks(std::size_t index, ext2_inode_large& inode) const {
    const std::vector<Extent>& extents = extents_[index];
    constexpr std::size_t kInInode = 4;
    inode.i_flags |= EXT4_EXTENTS_FL;
    std::uint64_t blocks = 0;
    for (const Extent& extent : extents) blocks += extent.blocks.count;
    ::ext2fs_iblk_set(filesystem_, reinterpret_cast<ext2_inode*>(&inode), blocks);
    std::string map;
    const bool is_small = extents.size() <= kInInode;
    put_little(map, 0xF30A, 2);
    put_little(map, is_small ? extents.size() : 0, 2);
    put_little(map, kInInode, 2);
    put_little(map, 0, 2);  // depth
    put_little(map, 0, 4);
    for (std::size_t i = 0; is_small && i < extents.size(); ++i) {
      put_little(map, extents[i].logical, 4);
      put_little(map, extents[i].blocks.count, 2);
      put_little(map, extents[i].blocks.first >> 32U, 2);
      put_little(map, extents[i].blocks.first, 4);
    }
    std::memcpy(&inode.i_block, map.data(), map.size());
    if (!is_small) build_extent_tree(index, inode);
  }

  void build_extent_tree(std::size_t index, ext2_inode_large& inode) const {
    const std::string doing = "map the blocks of /" + tree_.entries()[index].path;
    const std::uint32_t number = layout_.nodes[index].inode;
    write_inode(number, inode, "/" + tree_.entries()[index].path);
    ext2_extent_handle_t handle = nullptr;
    write_must(::ext2fs_extent_open2(filesystem_, number, reinterpret_cast<ext2_inode*>(&inode), &handle), doing);
    const std::unique_ptr<std::remove_pointer_t<ext2_extent_handle_t>, void (*)(ext2_extent_handle_t)> guard(
        handle, ::ext2fs_extent_free);
    for (const Extent& each : extents_[index]) {
      ext2fs_extent extent{};
      extent.e_lblk = each.logical;
      extent.e_pblk = each.blocks.first;
      extent.e_len = static_cast<__u32>(each.blocks.count);
      write_must(::ext2fs_extent_insert(handle, EXT2_EXTENT_INSERT_AFTER, &extent), doing);
      write_must(::ext2fs_extent_fix_parents(handle), doing);
    }
  }

  /// Blocks of a folder, or the target of a long symlink.
  void write_own_blocks(std::size_t index) {
    const Entry& entry = tree_.entries()[index];
    Layout::Node& node = layout_.nodes[index];
    if (entry.type == EntryType::symlink && !extents_[index].empty()) {
      std::string block = entry.link_target;
      block.resize(kBlock, '\0');
      write_block(extents_[index].front().blocks.first, block);
    }
    if (entry.type != EntryType::directory) return;
    std::size_t at = 0;
    for (const Extent& extent : extents_[index])
      for (std::uint64_t i = 0; i < extent.blocks.count; ++i)
        write_folder_block(extent.blocks.first + i, node.folder_blocks[at++], node.inode);
    node.folder_blocks = {};
  }

  void write_block(std::uint64_t block, const std::string& bytes) const {
    write_must(::io_channel_write_blk64(filesystem_->io, block, 1, bytes.data()), "write the image");
  }
  void write_folder_block(std::uint64_t block, std::string& bytes, std::uint32_t number) const {
    write_must(::ext2fs_write_dir_block4(filesystem_, block, bytes.data(), 0, number), "write a folder");
  }

  void write_xattrs(std::uint32_t number, const Entry& entry) const {
    ext2_xattr_handle* opened = nullptr;
    write_must(::ext2fs_xattrs_open(filesystem_, number, &opened), "write attributes of /" + entry.path);
    const Ext2Xattrs handle(opened);
    write_must(::ext2fs_xattrs_read(opened), "write attributes of /" + entry.path);
    for (const Xattr& xattr : entry.xattrs) {
      const errcode_t code =
          ::ext2fs_xattr_set(opened, xattr.name.c_str(), xattr.value.data(), xattr.value.size());
      if (code == EXT2_ET_EA_NO_SPACE)
        throw Error(ErrorKind::failed,
                    "the attributes of /" + entry.path +
                        " do not fit: ext4 holds about 4000 bytes of them for a file",
                    "another format holds them: btrfs up to 16,000 bytes, squashfs and tar any number");
      write_must(code, "write " + xattr.name + " of /" + entry.path);
    }
  }

  void write_lost_and_found() {
    Entry entry{.path = "lost+found", .type = EntryType::directory, .mode = 0700};
    entry.mtime = options_.time;
    ext2_inode_large inode = plain_inode(entry, 2);
    inode.i_size = kBlock;
    extents_.push_back({Extent{0, {lost_and_found_at_, 1}}});
    map_blocks(extents_.size() - 1, inode);
    ::ext2fs_inode_alloc_stats2(filesystem_, kLostAndFound, +1, 1);
    write_inode(kLostAndFound, inode, "/lost+found");
    write_folder_block(lost_and_found_at_, layout_.lost_and_found, kLostAndFound);
  }

  const Tree& tree_;
  const WriteOptions& options_;
  const FilesystemPlace& place_;
  Layout layout_;
  ext2_filsys filesystem_;
  BlockSupply supply_;
  std::vector<std::vector<Extent>> extents_;  ///< by entry
  std::vector<PlacedFile> files_;
  std::uint64_t lost_and_found_at_ = 0;
};

std::uint64_t inodes_for(const Layout& layout, std::uint64_t blocks) {
  return std::max<std::uint64_t>(layout.last_inode + layout.last_inode / 8 + 64,
                                 blocks * kBlock / kBytesPerInode);
}

/// The smallest number of blocks, in whole MiB, that leaves so many free before the tree is written.
std::uint64_t blocks_for(const WriteOptions& options, const FilesystemPlace& place, const Layout& layout,
                         std::uint64_t wanted_free) {
  constexpr std::uint64_t kStep = kMiB / kBlock;
  const auto round_up = [](std::uint64_t blocks) { return (blocks + kStep - 1) / kStep * kStep; };
  std::uint64_t blocks = round_up(wanted_free + kStep);
  for (;;) {
    const EmptyFilesystem trial(options, place, blocks, inodes_for(layout, blocks));
    const std::uint64_t free = trial.free_blocks();
    if (free >= wanted_free) return blocks;
    blocks = round_up(blocks + (wanted_free - free));
  }
}

}  // namespace
}  // namespace ext4

std::uint64_t write_ext4_at(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place) {
  using namespace ext4;
  constexpr std::size_t kLongestLabel = 16;
  if (options.image.label.size() > kLongestLabel)
    throw Error(ErrorKind::failed, "image.label '" + options.image.label + "' is longer than the " +
                                       std::to_string(kLongestLabel) + " bytes that ext4 has for it");
  Layout layout = lay_out(tree, options.jobs);
  const std::uint64_t slack = std::max(layout.blocks / 10, kLeastSlack);
  const std::uint64_t blocks =
      place.size ? *place.size / kBlock : blocks_for(options, place, layout, layout.blocks + slack);
  const auto too_small = [&] {
    return size_too_small(place, blocks_for(options, place, layout, layout.blocks + 1) * kBlock);
  };
  constexpr std::uint64_t kSmallest = 2 * kMiB / kBlock;
  if (blocks < std::max(layout.blocks, kSmallest)) throw too_small();
  EmptyFilesystem filesystem(options, place, blocks, inodes_for(layout, blocks));
  if (filesystem.free_blocks() < layout.blocks) throw too_small();
  const std::uint64_t size = blocks * kBlock;
  if (::truncate(place.file.c_str(), static_cast<off_t>(place.offset + size)) != 0)
    throw system_error("make an image of " + std::to_string(size) + " bytes", errno);
  filesystem.begin();
  TreeWriter(tree, options, place, std::move(layout), filesystem.get()).run();
  write_must(::ext2fs_flush2(filesystem.get(), EXT2_FLAG_FLUSH_NO_SYNC), "write the image");
  return size;
}

std::string ext4_library() {
  const char* version = nullptr;
  ::ext2fs_get_library_version(&version, nullptr);
  return std::string("libext2fs ") + version;
}

void write_ext4(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) {
  (void)open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  (void)write_ext4_at(tree, options, {.file = path, .size = options.image.size});
}

}  // namespace alephc
