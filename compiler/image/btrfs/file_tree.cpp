// SPDX-License-Identifier: MIT
#include "image/btrfs/file_tree.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

#include <sys/stat.h>

#include "base/crc32c.hpp"
#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"

namespace alephc::btrfs {
namespace {

constexpr std::uint32_t kMostLinks = 65535;
constexpr std::uint64_t kFirstIndex = 2;  ///< of names in a folder
constexpr std::uint8_t kTypeXattr = 8;

std::string extent_head(std::uint64_t ram_bytes, std::uint8_t compression, std::uint8_t type) {
  std::string item;
  put_little(item, kGeneration);
  put_little(item, ram_bytes);
  put_little(item, compression, 1);
  put_little(item, 0, 3);  // encryption, other encoding
  put_little(item, type, 1);
  return item;
}

std::string extent_item(const FileExtent& extent) {
  std::string item = extent_head(extent.length, extent.compressed ? kZstd : kNone, kRegular);
  put_little(item, extent.disk.start);
  put_little(item, extent.disk.length);
  put_little(item, 0);  // of the extent, where this part begins
  put_little(item, extent.length);
  return item;
}

/// Collects items in any order; those of one key are one item, as names of the same hash are.
class ItemCollector {
 public:
  void add(const Key& key, std::string data) { items_.push_back({key, std::move(data)}); }

  Items finish(const std::string& what) {
    std::stable_sort(items_.begin(), items_.end(),
                     [](const Item& a, const Item& b) { return a.key < b.key; });
    Items joined;
    joined.reserve(items_.size());
    for (Item& item : items_) {
      if (joined.empty() || joined.back().key != item.key) {
        joined.push_back(std::move(item));
        continue;
      }
      joined.back().data += item.data;
      if (joined.back().data.size() > kLargestItem)
        throw Error(ErrorKind::failed, "too many names with one hash in " + what + " for btrfs");
    }
    return joined;
  }

 private:
  Items items_;
};

class FileTree {
 public:
  FileTree(const Tree& tree, const WriteOptions& options, const std::vector<FileData>& files)
      : entries_(tree.entries()), options_(options), files_(files) {}

  FileTreeItems run() {
    number();
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].hard_link.empty()) add_entry(i);
    for (const auto& [names_of, data] : refs_) items_.add({names_of.first, kInodeRef, names_of.second}, data);
    return {items_.finish("the image"), std::move(numbers_)};
  }

 private:
  void number() {
    numbers_.resize(entries_.size());
    links_.resize(entries_.size(), 1);
    folder_sizes_.resize(entries_.size());
    std::unordered_map<std::string_view, std::size_t> index_of;
    std::vector<std::uint64_t> next_index(entries_.size(), kFirstIndex);
    std::uint64_t next = kFirstFree;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      index_of[entry.path] = i;
      if (entry.hard_link.empty()) {
        numbers_[i] = next++;
      } else {
        const std::size_t first = index_of.at(entry.hard_link);
        numbers_[i] = numbers_[first];
        if (++links_[first] > kMostLinks)
          throw Error(ErrorKind::failed, "/" + entry.hard_link + " has more than " +
                                             std::to_string(kMostLinks) +
                                             " hard links, which btrfs cannot hold");
      }
      if (entry.path.empty()) {
        refs_[{numbers_[i], numbers_[i]}] = inode_ref(0, "..");
        continue;
      }
      const std::size_t parent = index_of.at(parent_path(entry.path));
      add_name(i, parent, next_index[parent]++);
    }
  }

  void add_name(std::size_t index, std::size_t parent, std::uint64_t name_index) {
    const std::string name = base_name(entries_[index].path);
    const Key location{numbers_[index], kInodeItem, 0};
    const std::string item = dir_item(location, type_number(entries_[index].type), name);
    items_.add({numbers_[parent], kDirItem, name_hash(name)}, item);
    items_.add({numbers_[parent], kDirIndex, name_index}, item);
    folder_sizes_[parent] += 2 * name.size();
    std::string& refs = refs_[{numbers_[index], numbers_[parent]}];
    const std::string ref = inode_ref(name_index, name);
    if (refs.size() + ref.size() <= kLargestItem) {
      refs += ref;
      return;
    }
    // More names in one folder than an item holds.
    std::string extref;
    put_little(extref, numbers_[parent]);
    extref += ref;
    items_.add({numbers_[index], kInodeExtref, crc32c(static_cast<std::uint32_t>(numbers_[parent]), name)},
               extref);
  }

  void add_entry(std::size_t index) {
    const Entry& entry = entries_[index];
    const std::uint64_t number = numbers_[index];
    Inode inode{.links = links_[index],
                .uid = entry.uid,
                .gid = entry.gid,
                .mode = entry.mode | type_bits(entry.type),
                .time = options_.keep_times ? entry.mtime : options_.time};
    switch (entry.type) {
      using enum EntryType;
      case directory:
        inode.size = folder_sizes_[index];
        break;
      case symlink:
        add_inline(number, entry.link_target);
        inode.size = inode.bytes = entry.link_target.size();
        break;
      case char_device:
      case block_device:
        inode.device = (std::uint64_t{entry.major} << 20U) | entry.minor;
        break;
      case regular:
        inode.size = entry.size;
        inode.bytes = add_content(number, files_[index]);
        break;
      default:
        break;
    }
    items_.add({number, kInodeItem, 0}, inode_item(inode));
    for (const Xattr& xattr : entry.xattrs) add_xattr(number, entry, xattr);
  }

  void add_inline(std::uint64_t number, const std::string& bytes) {
    items_.add({number, kExtentData, 0}, extent_head(bytes.size(), kNone, kInline) + bytes);
  }

  std::uint64_t add_content(std::uint64_t number, const FileData& data) {
    if (!data.inline_data.empty()) add_inline(number, data.inline_data);
    std::uint64_t bytes = data.inline_data.size();
    for (const FileExtent& extent : data.extents) {
      items_.add({number, kExtentData, extent.offset}, extent_item(extent));
      bytes += extent.length;
    }
    return bytes;
  }

  void add_xattr(std::uint64_t number, const Entry& entry, const Xattr& xattr) {
    const std::string item = dir_item({}, kTypeXattr, xattr.name, xattr.value);
    if (item.size() > kLargestItem)
      throw Error(ErrorKind::failed, "the attribute " + xattr.name + " of /" + entry.path +
                                         " is larger than the " + std::to_string(kLargestItem) +
                                         " bytes that btrfs holds");
    items_.add({number, kXattrItem, name_hash(xattr.name)}, item);
  }

  const Listing& entries_;
  const WriteOptions& options_;
  const std::vector<FileData>& files_;
  ItemCollector items_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> refs_;  ///< by inode and folder
  std::vector<std::uint64_t> numbers_;
  std::vector<std::uint32_t> links_;
  std::vector<std::uint64_t> folder_sizes_;
};

}  // namespace

std::string inode_item(const Inode& inode) {
  std::string item;
  put_little(item, kGeneration);
  put_little(item, kGeneration);  // last change
  put_little(item, inode.size);
  put_little(item, inode.bytes);
  put_little(item, 0);  // block group
  put_little(item, inode.links, 4);
  put_little(item, inode.uid, 4);
  put_little(item, inode.gid, 4);
  put_little(item, inode.mode, 4);
  put_little(item, inode.device);
  for (int i = 0; i < 6; ++i) put_little(item, 0);  // flags, sequence, reserved
  for (int i = 0; i < 4; ++i) {                     // accessed, changed, modified, made
    put_little(item, static_cast<std::uint64_t>(inode.time));
    put_little(item, 0, 4);
  }
  return item;
}

std::string inode_ref(std::uint64_t index, std::string_view name) {
  std::string item;
  put_little(item, index);
  put_little(item, name.size(), 2);
  item += name;
  return item;
}

std::uint64_t name_hash(std::string_view name) {
  return crc32c(~1U, name);
}

std::string dir_item(const Key& location, std::uint8_t type, std::string_view name, std::string_view value) {
  std::string item;
  put_little(item, location.objectid);
  put_little(item, location.type, 1);
  put_little(item, location.offset);
  put_little(item, kGeneration);
  put_little(item, value.size(), 2);
  put_little(item, name.size(), 2);
  put_little(item, type, 1);
  item += name;
  item += value;
  return item;
}

FileTreeItems file_tree(const Tree& tree, const WriteOptions& options, const std::vector<FileData>& files) {
  return FileTree(tree, options, files).run();
}

Items empty_subvolume(std::int64_t time, const std::vector<Subvolume>& subvolumes) {
  ItemCollector items;
  Inode root{.mode = S_IFDIR | 0755U, .time = time};
  items.add({kFirstFree, kInodeRef, kFirstFree}, inode_ref(0, ".."));
  for (const Subvolume& subvolume : subvolumes) {
    const std::string item =
        dir_item({subvolume.id, kRootItem, static_cast<std::uint64_t>(-1)}, kTypeFolder, subvolume.name);
    items.add({kFirstFree, kDirItem, name_hash(subvolume.name)}, item);
    items.add({kFirstFree, kDirIndex, subvolume.index}, item);
    root.size += 2 * subvolume.name.size();
  }
  items.add({kFirstFree, kInodeItem, 0}, inode_item(root));
  return items.finish("the root folder");
}

}  // namespace alephc::btrfs
