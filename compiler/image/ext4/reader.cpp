// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include <sys/sysmacros.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/little_endian.hpp"
#include "image/byte_source.hpp"
#include "image/ext4/ext2fs.hpp"
#include "image/ext4/ext4.hpp"
#include "image/ext4/source_io.hpp"
#include "image/read_budget.hpp"
#include "tree/scan.hpp"

namespace alephc {
namespace {

constexpr int kMaxDepth = static_cast<int>(limits::kPathDepth) + 1;  ///< the last may be no folder
constexpr const char* kLostAndFound = "lost+found";

void read_must(errcode_t code, const std::string& doing) {
  if (code != 0) throw Error(ErrorKind::integrity, "cannot " + doing + ": " + ::error_message(code));
}

struct CloseFile {
  void operator()(ext2_file* file) const { ::ext2fs_file_close(file); }
};

using Children = std::vector<std::pair<std::string, ext2_ino_t>>;

int collect_child(ext2_ino_t /*folder*/, int /*number*/, ext2_dir_entry* entry, int /*offset*/,
                  int /*block_size*/, char* /*block*/, void* children) {
  const std::string name(entry->name, static_cast<std::size_t>(entry->name_len) & 0xffU);
  if (name != "." && name != "..") static_cast<Children*>(children)->emplace_back(name, entry->inode);
  return 0;
}

int collect_xattr(char* name, char* /*value*/, std::size_t /*size*/, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

class Ext4Reader {
 public:
  Ext4Reader(const ByteSource& image, const ReadOptions& options, ReadBudget& budget)
      : options_(options), budget_(budget) {
    ext2_filsys opened = nullptr;
    const SourceName name(image);
    read_must(::ext2fs_open(name.text().c_str(), EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0,
                       source_io_manager(), &opened),
         "read the ext4 filesystem");
    filesystem_.reset(opened);
    if (ext2fs_has_feature_journal_needs_recovery(opened->super) != 0)
      throw Error(ErrorKind::integrity,
                  "its journal holds changes: what is read is not what would be mounted",
                  "run e2fsck on a copy of it first");
    refuse_surprises(*opened->super);
  }

  ImageContent run() {
    visit(EXT2_ROOT_INO, "", 0);
    std::sort(content_.listing.begin(), content_.listing.end(),
              [](const Entry& a, const Entry& b) { return a.path < b.path; });
    std::map<ext2_ino_t, std::string> first_of;
    for (Entry& entry : content_.listing) {
      if (entry.type == EntryType::directory) continue;
      const auto [it, is_new] = first_of.try_emplace(numbers_.at(entry.path), entry.path);
      if (!is_new) entry.hard_link = it->second;
    }
    content_.format = "ext4";
    return std::move(content_);
  }

 private:
  void visit(ext2_ino_t number, const std::string& path, int depth) {
    if (depth > kMaxDepth) throw Error(ErrorKind::integrity, "the image is damaged: folders without end");
    budget_.take_entry(path);
    ext2_inode inode{};
    read_must(::ext2fs_read_inode(filesystem_.get(), number, &inode), "read /" + path);
    refuse_surprises(inode, path);
    Entry entry{.path = path,
                .mode = inode.i_mode & 07777U,
                .uid = inode.i_uid | (std::uint32_t{inode.osd2.linux2.l_i_uid_high} << 16U),
                .gid = inode.i_gid | (std::uint32_t{inode.osd2.linux2.l_i_gid_high} << 16U),
                .mtime = inode.i_mtime};
    read_xattrs(number, entry);
    switch (inode.i_mode & 0170000U) {
      case 0040000U:
        entry.type = EntryType::directory;
        break;
      case 0120000U:
        entry.type = EntryType::symlink;
        entry.mode = 0777;
        entry.link_target = link_target(number, inode, path);
        break;
      case 0020000U:
      case 0060000U:
        entry.type = (inode.i_mode & 0170000U) == 0020000U ? EntryType::char_device : EntryType::block_device;
        read_device(inode, entry);
        break;
      case 0010000U:
        entry.type = EntryType::fifo;
        break;
      case 0100000U:
        entry.size = EXT2_I_SIZE(&inode);
        read_content(number, entry);
        break;
      default:
        throw Error(ErrorKind::integrity, "/" + path + " of the image is a socket");
    }
    numbers_[path] = number;
    content_.listing.push_back(entry);
    if (entry.type == EntryType::directory) visit_children(number, path, depth);
  }

  void visit_children(ext2_ino_t number, const std::string& path, int depth) {
    if (!folders_.insert(number).second)
      throw Error(ErrorKind::integrity, "the image is damaged: /" + path + " is in two places");
    Children children;
    read_must(::ext2fs_dir_iterate2(filesystem_.get(), number, 0, nullptr, collect_child, &children),
         "read the folder /" + path);
    for (const auto& [name, child] : children) {
      if (name.empty() || name.find('/') != std::string::npos)
        throw Error(ErrorKind::integrity, "the image has a file called '" + name + "'");
      if (path.empty() && name == kLostAndFound && is_untouched(child)) continue;  // the filesystem's own
      visit(child, path.empty() ? name : path + "/" + name, depth + 1);
    }
  }

  /// Empty, and with nothing that mke2fs does not give it.
  bool is_untouched(ext2_ino_t number) {
    ext2_inode inode{};
    read_must(::ext2fs_read_inode(filesystem_.get(), number, &inode), "read /lost+found");
    Entry attributes;
    read_xattrs(number, attributes);
    if (inode.i_mode != (0040000U | 0700U) || inode.i_uid != 0 || inode.i_gid != 0 || !attributes.xattrs.empty())
      return false;
    Children children;
    read_must(::ext2fs_dir_iterate2(filesystem_.get(), number, 0, nullptr, collect_child, &children),
         "read the folder /lost+found");
    refuse_surprises(inode, kLostAndFound);
    return children.empty();
  }

  /// What a mount would act on and no listing shows.
  static void refuse_surprises(const ext2_super_block& super) {
    constexpr std::uint32_t kReadOnly = 0x1000;
    if (super.s_last_orphan != 0)
      throw Error(ErrorKind::integrity, "the ext4 filesystem has files that a mount would remove",
                  "run e2fsck on a copy of it first");
    if ((super.s_feature_ro_compat & kReadOnly) != 0)
      throw Error(ErrorKind::integrity, "the ext4 filesystem forbids every change, which no listing shows");
  }
  static void refuse_surprises(const ext2_inode& inode, const std::string& path) {
    constexpr std::uint32_t kHidden = EXT2_IMMUTABLE_FL | EXT2_APPEND_FL | 0x40000000U;  // the last: names without case
    if ((inode.i_flags & kHidden) != 0)
      throw Error(ErrorKind::integrity, "/" + path + " of the image has a flag of chattr, which no listing shows");
    if (inode.i_links_count == 0)
      throw Error(ErrorKind::integrity, "the image is damaged: /" + path + " has no links");
  }

  static void read_device(const ext2_inode& inode, Entry& entry) {
    const std::uint32_t small = inode.i_block[0];
    const std::uint32_t large = inode.i_block[1];
    entry.major = small != 0 ? (small >> 8U) & 0xffU : (large >> 8U) & 0xfffU;
    entry.minor = small != 0 ? small & 0xffU : (large & 0xffU) | ((large >> 12U) & 0xfff00U);
  }

  template <typename Take>
  void each_part(ext2_ino_t number, const std::string& path, Take&& take) {
    ext2_file_t opened = nullptr;
    read_must(::ext2fs_file_open(filesystem_.get(), number, 0, &opened), "open /" + path);
    const std::unique_ptr<ext2_file, CloseFile> file(opened);
    std::vector<char> buffer(1U << 20U);
    for (;;) {
      throw_if_interrupted();
      unsigned got = 0;
      read_must(::ext2fs_file_read(file.get(), buffer.data(), static_cast<unsigned>(buffer.size()), &got),
           "read /" + path);
      if (got == 0) return;
      take(std::string_view(buffer.data(), got));
    }
  }

  std::string link_target(ext2_ino_t number, ext2_inode& inode, const std::string& path) {
    if (::ext2fs_is_fast_symlink(&inode) != 0)
      return {reinterpret_cast<const char*>(inode.i_block), std::min<std::size_t>(EXT2_I_SIZE(&inode), 60)};
    if (EXT2_I_SIZE(&inode) > limits::kPathBytes)
      throw Error(ErrorKind::integrity, "the image is damaged: the target of the link /" + path + " is too long");
    std::string target;
    each_part(number, path, [&](std::string_view bytes) { target += bytes; });
    return target;
  }

  void read_content(ext2_ino_t number, Entry& entry) {
    const bool keep = options_.keeps(entry.path);
    if (!keep && options_.only_wanted) return;
    budget_.take_content(entry.size);
    if (keep) budget_.take_text(entry.size);
    Sha256 hash;
    std::string* text = keep ? &content_.texts[entry.path] : nullptr;
    each_part(number, entry.path, [&](std::string_view bytes) {
      hash.update(bytes);
      if (text != nullptr) *text += bytes;
    });
    entry.content = hash.finish();
  }

  void read_xattrs(ext2_ino_t number, Entry& entry) {
    const std::string doing = "read attributes of /" + entry.path;
    ext2_xattr_handle* opened = nullptr;
    const errcode_t code = ::ext2fs_xattrs_open(filesystem_.get(), number, &opened);
    if (code == EXT2_ET_MISSING_EA_FEATURE) return;
    read_must(code, doing);
    const Ext2Xattrs handle(opened);
    read_must(::ext2fs_xattrs_read(handle.get()), doing);
    std::vector<std::string> names;
    read_must(::ext2fs_xattrs_iterate(handle.get(), collect_xattr, &names), doing);
    for (const std::string& name : names) {
      if (!keeps_xattr(name)) continue;
      void* bytes = nullptr;
      std::size_t size = 0;
      // Not the value of the iteration: only this turns access lists into what system calls show.
      read_must(::ext2fs_xattr_get(handle.get(), name.c_str(), &bytes, &size), doing);
      std::string value(static_cast<const char*>(bytes), size);
      ::ext2fs_free_mem(static_cast<void*>(&bytes));
      if (name == "security.capability") value = portable_capability(std::move(value));
      if (name.starts_with("system.posix_acl")) name_nobody(value);
      entry.xattrs.push_back({name, std::move(value)});
    }
    std::sort(entry.xattrs.begin(), entry.xattrs.end());
  }

  /// An access list's entries that are of no user or group: libext2fs gives them the id 0, system calls -1.
  static void name_nobody(std::string& list) {
    constexpr std::size_t kHead = 4;
    constexpr std::size_t kEntry = 8;  // tag, permissions, id
    for (std::size_t at = kHead; at + kEntry <= list.size(); at += kEntry) {
      const std::uint64_t tag = read_little(std::string_view(list).substr(at, 2));
      constexpr std::uint64_t kUser = 2;
      constexpr std::uint64_t kGroup = 8;
      if (tag != kUser && tag != kGroup) list.replace(at + 4, 4, "\xff\xff\xff\xff");
    }
  }

  const ReadOptions& options_;
  ReadBudget& budget_;
  Ext2Filesystem filesystem_;
  ImageContent content_;
  std::map<std::string, ext2_ino_t> numbers_;
  std::set<ext2_ino_t> folders_;
};

}  // namespace

ImageContent read_ext4(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) {
  return Ext4Reader(image, options, budget).run();
}

}  // namespace alephc
