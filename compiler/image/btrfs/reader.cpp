// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <set>

#include <sys/stat.h>
#include <zlib.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/little_endian.hpp"
#include "base/parallel.hpp"
#include "image/btrfs/btrfs.hpp"
#include "image/btrfs/file_tree.hpp"
#include "image/btrfs/volume.hpp"
#include "image/byte_source.hpp"
#include "image/read_budget.hpp"
#include "image/zstd_frame.hpp"
#include "tree/scan.hpp"

namespace alephc {
namespace btrfs {
namespace {

constexpr int kMaxDepth = static_cast<int>(limits::kPathDepth) + 1;  ///< the last may be no folder
constexpr std::uint64_t kLargestPiece = 1U << 20U;  ///< of a file, read at once
constexpr std::uint64_t kLargestPacked = 1U << 20U;

struct Extent {
  std::uint64_t offset = 0;  ///< in the file
  std::uint64_t length = 0;
  std::uint8_t compression = kNone;
  std::uint64_t unpacked = 0;  ///< bytes of the whole extent
  std::uint64_t disk = 0;      ///< 0: a hole
  std::uint64_t disk_length = 0;
  std::uint64_t start = 0;  ///< in the unpacked extent
  std::string inline_data{};
};

struct Child {
  std::string name{};
  Key location{};
};

struct Inode {
  Entry entry{};
  std::vector<Child> children{};
  std::set<std::pair<std::string, Key>> looked_up{};  ///< as the kernel finds names
  std::vector<Extent> extents{};
};
using Inodes = std::map<std::uint64_t, Inode>;

EntryType type_of(std::uint64_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return EntryType::directory;
    case S_IFREG:
      return EntryType::regular;
    case S_IFLNK:
      return EntryType::symlink;
    case S_IFCHR:
      return EntryType::char_device;
    case S_IFBLK:
      return EntryType::block_device;
    case S_IFIFO:
      return EntryType::fifo;
    default:
      throw Error(ErrorKind::integrity, "the image has a socket, or a file of no kind");
  }
}

void read_inode(std::string_view data, Entry& entry) {
  const std::uint64_t mode = number_at(data, 52, 4);
  const std::uint64_t device = number_at(data, 56, 8);
  constexpr std::uint64_t kImmutable = 1U << 6U;
  constexpr std::uint64_t kAppendOnly = 1U << 5U;
  if ((number_at(data, 64, 8) & (kImmutable | kAppendOnly)) != 0)
    throw Error(ErrorKind::integrity, "a file of the image has a flag of chattr, which no listing shows");
  entry.type = type_of(mode);
  entry.mode = entry.type == EntryType::symlink ? 0777U : static_cast<std::uint32_t>(mode & 07777U);
  entry.uid = static_cast<std::uint32_t>(number_at(data, 44, 4));
  entry.gid = static_cast<std::uint32_t>(number_at(data, 48, 4));
  entry.mtime = static_cast<std::int64_t>(number_at(data, 136, 8));
  if (entry.type == EntryType::regular) entry.size = number_at(data, 16, 8);
  if (entry.type == EntryType::char_device || entry.type == EntryType::block_device) {
    entry.major = static_cast<std::uint32_t>(device >> 20U);
    entry.minor = static_cast<std::uint32_t>(device & 0xfffffU);
  }
}

Extent read_extent(std::uint64_t offset, std::string_view data) {
  Extent extent{.offset = offset,
                .compression = static_cast<std::uint8_t>(number_at(data, 16, 1)),
                .unpacked = number_at(data, 8, 8)};
  const std::uint64_t type = number_at(data, 20, 1);
  if (type == kInline) {
    extent.inline_data = data.substr(21);
    extent.length = extent.unpacked;
    return extent;
  }
  extent.disk = type == kRegular ? number_at(data, 21, 8) : 0;  // what is only reserved is zeros
  extent.disk_length = number_at(data, 29, 8);
  extent.start = number_at(data, 37, 8);
  extent.length = number_at(data, 45, 8);
  return extent;
}

/// Names of one hash share an item: take(record, name, value) for each.
template <typename Take>
void each_name(std::string_view data, Take&& take) {
  while (!data.empty()) {
    const std::uint64_t value_size = number_at(data, 25, 2);
    const std::uint64_t name_size = number_at(data, 27, 2);
    take(data, std::string(bytes_at(data, 30, name_size)), std::string(bytes_at(data, 30 + name_size, value_size)));
    data.remove_prefix(30 + name_size + value_size);
  }
}

void read_names(const Key& key, std::string_view data, Inode& inode) {
  each_name(data, [&](std::string_view record, const std::string& name, const std::string& /*value*/) {
    if (name_hash(name) != key.offset) damaged("a name under the hash of another");
    inode.looked_up.emplace(name, read_key(record));
  });
}

void read_xattrs(std::string_view data, Entry& entry) {
  each_name(data, [&](std::string_view /*record*/, const std::string& name, std::string value) {
    if (name == "security.capability") value = portable_capability(std::move(value));
    if (keeps_xattr(name)) entry.xattrs.push_back({name, std::move(value)});
  });
}

std::string unpacked(const Extent& extent, const std::string& packed) {
  if (extent.unpacked > kLargestPiece) damaged("an extent that unpacks to too much");
  std::string bytes(extent.unpacked, '\0');
  if (extent.compression == kZlib) {
    uLongf size = bytes.size();
    const int code = ::uncompress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                                  reinterpret_cast<const Bytef*>(packed.data()), packed.size());
    if (code != Z_OK) damaged("a compressed extent");
  } else if (extent.compression == kZstd) {
    bytes = unpack_zstd_frame(packed, extent.unpacked);
    bytes.resize(extent.unpacked, '\0');
  } else {
    throw Error(ErrorKind::failed, "files compressed with LZO cannot be read");
  }
  return bytes;
}

class Reader {
 public:
  Reader(const ByteSource& image, const ReadOptions& options, ReadBudget& budget)
      : volume_(image), options_(options), budget_(budget) {}

  ImageContent run() {
    visit_subvolume(volume_.default_subvolume(), "", 0);
    read_contents();
    std::sort(content_.listing.begin(), content_.listing.end(),
              [](const Entry& a, const Entry& b) { return a.path < b.path; });
    std::map<Inode*, std::string> first_of;
    for (Entry& entry : content_.listing) {
      if (entry.type == EntryType::directory) continue;
      const auto [it, is_new] = first_of.try_emplace(inode_at_.at(entry.path), entry.path);
      if (!is_new) entry.hard_link = it->second;
      entry.content = it->first->entry.content;
    }
    content_.format = "btrfs";
    return std::move(content_);
  }

 private:
  Inodes& subvolume(std::uint64_t id) {
    const auto [it, is_new] = subvolumes_.try_emplace(id);
    Inodes& inodes = it->second;
    if (!is_new) return inodes;
    volume_.walk(volume_.subvolume_root(id), [&](const Key& key, std::string_view data) {
      Inode& inode = inodes[key.objectid];
      if (key.type == kInodeItem) read_inode(data, inode.entry);
      if (key.type == kXattrItem) read_xattrs(data, inode.entry);
      if (key.type == kExtentData) inode.extents.push_back(read_extent(key.offset, data));
      if (key.type == kDirItem) read_names(key, data, inode);
      if (key.type == kDirIndex)
        inode.children.push_back({std::string(bytes_at(data, 30, number_at(data, 27, 2))), read_key(data)});
    });
    return inodes;
  }

  void visit_subvolume(std::uint64_t id, const std::string& path, int depth) {
    if (!visiting_.insert(id).second) damaged("a subvolume in two places");
    visit(subvolume(id), kFirstFree, path, depth);
  }

  void visit(Inodes& inodes, std::uint64_t number, const std::string& path, int depth) {
    if (depth > kMaxDepth) damaged("folders without end");
    budget_.take_entry(path);
    const auto inode = inodes.find(number);
    if (inode == inodes.end()) damaged("a name of nothing: /" + path);
    Entry entry = inode->second.entry;
    entry.path = path;
    std::sort(entry.xattrs.begin(), entry.xattrs.end());
    if (entry.type == EntryType::symlink)
      for (const Extent& extent : inode->second.extents) entry.link_target += extent.inline_data;
    // mkfs.btrfs --rootdir writes the end of the string too.
    entry.link_target.resize(std::min(entry.link_target.size(), entry.link_target.find('\0')));
    inode_at_[path] = &inode->second;
    content_.listing.push_back(std::move(entry));
    if (inode->second.entry.type != EntryType::directory) return;
    if (!folders_.insert(&inode->second).second) damaged("/" + path + " is in two places");
    check_names(inode->second, path);
    for (const Child& child : inode->second.children) {
      if (child.name.empty() || child.name.find('/') != std::string::npos)
        damaged("a file called '" + child.name + "'");
      const std::string place = join_path(path, child.name);
      if (child.location.type == kRootItem)
        visit_subvolume(child.location.objectid, place, depth + 1);
      else
        visit(inodes, child.location.objectid, place, depth + 1);
    }
  }

  /// A listing goes by one index of a folder, opening a name by the other.
  static void check_names(const Inode& inode, const std::string& path) {
    std::set<std::pair<std::string, Key>> listed;
    for (const Child& child : inode.children) listed.emplace(child.name, child.location);
    if (listed != inode.looked_up || listed.size() != inode.children.size())
      damaged("the two indexes of the folder /" + path + " differ");
  }

  /// Of each inode once, whatever its names.
  void read_contents() {
    std::map<Inode*, std::string> wanted;
    for (const Entry& entry : content_.listing) {
      if (entry.type != EntryType::regular) continue;
      const bool keep = options_.keeps(entry.path);
      if (!keep && options_.only_wanted) continue;
      std::string& kept = wanted[inode_at_.at(entry.path)];
      if (keep) {
        kept = entry.path;
        content_.texts[entry.path];
      }
    }
    std::vector<std::pair<Inode*, std::string>> files(wanted.begin(), wanted.end());
    parallel_for(files.size(), options_.jobs, [&](std::size_t i) {
      auto& [inode, path] = files[i];
      std::string* text = path.empty() ? nullptr : &content_.texts.at(path);
      Sha256 hash;
      budget_.take_content(inode->entry.size);
      if (text != nullptr) budget_.take_text(inode->entry.size);
      each_piece(*inode, [&](std::string_view bytes) {
        hash.update(bytes);
        if (text != nullptr) *text += bytes;
      });
      inode->entry.content = hash.finish();
    });
  }

  template <typename Take>
  void each_piece(const Inode& inode, Take&& take) const {
    const std::uint64_t size = inode.entry.size;
    std::uint64_t at = 0;
    for (const Extent& extent : inode.extents) {
      if (extent.offset < at) damaged("extents that overlap");
      give_zeros(std::min(extent.offset, size) - std::min(at, size), take);
      at = extent.offset;
      if (at >= size) return;
      const std::uint64_t length = std::min(extent.length, size - at);
      give_extent(extent, length, take);
      at += length;
    }
    give_zeros(size - at, take);
  }

  template <typename Take>
  static void give_zeros(std::uint64_t count, Take&& take) {
    static const std::string kZeros(kLargestPiece, '\0');
    for (; count > 0; count -= std::min(count, kLargestPiece)) {
      throw_if_interrupted();
      take(std::string_view(kZeros).substr(0, std::min(count, kLargestPiece)));
    }
  }

  template <typename Take>
  void give_extent(const Extent& extent, std::uint64_t length, Take&& take) const {
    if (extent.compression != kNone) {
      if (extent.disk_length > kLargestPacked) damaged("a compressed extent");
      const bool is_inline = !extent.inline_data.empty();
      const std::string packed =
          is_inline ? extent.inline_data : volume_.read(extent.disk, extent.disk_length);
      const std::string bytes = unpacked(extent, packed);
      return take(bytes_at(bytes, is_inline ? 0 : extent.start, length));
    }
    if (!extent.inline_data.empty()) return take(bytes_at(extent.inline_data, 0, length));
    if (extent.disk == 0) return give_zeros(length, take);
    for (std::uint64_t done = 0; done < length; done += kLargestPiece) {
      throw_if_interrupted();
      take(volume_.read(extent.disk + extent.start + done, std::min(kLargestPiece, length - done)));
    }
  }

  Volume volume_;
  const ReadOptions& options_;
  ReadBudget& budget_;
  ImageContent content_;
  std::map<std::uint64_t, Inodes> subvolumes_;
  std::set<std::uint64_t> visiting_;
  std::set<Inode*> folders_;
  std::map<std::string, Inode*> inode_at_;
};

}  // namespace
}  // namespace btrfs

ImageContent read_btrfs(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) {
  return btrfs::Reader(image, options, budget).run();
}

}  // namespace alephc
