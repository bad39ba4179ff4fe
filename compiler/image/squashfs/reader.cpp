// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include <sqfs/compressor.h>
#include <sqfs/data_reader.h>
#include <sqfs/dir.h>
#include <sqfs/dir_reader.h>
#include <sqfs/id_table.h>
#include <sqfs/io.h>
#include <sqfs/super.h>
#include <sqfs/xattr.h>
#include <sqfs/xattr_reader.h>

#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "image/byte_source.hpp"
#include "image/read_budget.hpp"
#include "image/squashfs/common.hpp"
#include "image/squashfs/folder_index.hpp"
#include "image/squashfs/squashfs.hpp"

namespace alephc {
namespace {

constexpr int kMaxDepth = static_cast<int>(limits::kPathDepth) + 1;  ///< the last may be no folder

/// The image as libsquashfs reads files. It must not see an exception.
class SourceFile {
 public:
  explicit SourceFile(const ByteSource& source) {
    handle_.base.base.destroy = [](sqfs_object_t*) {};
    handle_.base.base.copy = [](const sqfs_object_t*) -> sqfs_object_t* { return nullptr; };
    handle_.base.read_at = &SourceFile::read;
    handle_.base.write_at = [](sqfs_file_t*, sqfs_u64, const void*, size_t) -> int { return SQFS_ERROR_IO; };
    handle_.base.truncate = [](sqfs_file_t*, sqfs_u64) -> int { return SQFS_ERROR_IO; };
    handle_.base.get_size = [](const sqfs_file_t* file) -> sqfs_u64 {
      return reinterpret_cast<const Handle*>(file)->source->size();
    };
    handle_.source = &source;
  }
  [[nodiscard]] sqfs_file_t* get() { return &handle_.base; }

 private:
  struct Handle {
    sqfs_file_t base{};
    const ByteSource* source = nullptr;
  };
  static int read(sqfs_file_t* file, sqfs_u64 offset, void* buffer, size_t size) {
    try {
      const ByteSource& source = *reinterpret_cast<Handle*>(file)->source;
      return source.read(offset, {static_cast<char*>(buffer), size}) == size ? 0 : SQFS_ERROR_OUT_OF_BOUNDS;
    } catch (const std::exception&) {
      return SQFS_ERROR_IO;
    }
  }

  Handle handle_{};
};

class SquashfsReader {
 public:
  SquashfsReader(const ByteSource& image, const ReadOptions& options, ReadBudget& budget)
      : options_(options), budget_(budget), file_(image) {
    must(sqfs_super_read(&super_, file_.get()));
    // Tables of a small image are small; libsquashfs allocates what their numbers say.
    if (super_.fragment_entry_count > image.size() || super_.inode_count > image.size() ||
        super_.bytes_used > image.size())
      throw Error(ErrorKind::integrity, "the image is damaged: its tables are larger than it is");
    sqfs_compressor_config_t config{};
    must(sqfs_compressor_config_init(&config, static_cast<SQFS_COMPRESSOR>(super_.compression_id),
                                     super_.block_size, SQFS_COMP_FLAG_UNCOMPRESS));
    sqfs_compressor_t* compressor = nullptr;
    must(sqfs_compressor_create(&config, &compressor));
    compressor_.reset(compressor);
    if ((super_.flags & SQFS_FLAG_COMPRESSOR_OPTIONS) != 0)
      must(compressor_->read_options(compressor_.get(), file_.get()));
    ids_.reset(sqfs_id_table_create(0));
    must(sqfs_id_table_read(ids_.get(), file_.get(), &super_, compressor_.get()));
    dirs_.reset(sqfs_dir_reader_create(&super_, compressor_.get(), file_.get(), 0));
    data_.reset(sqfs_data_reader_create(file_.get(), super_.block_size, compressor_.get(), 0));
    check(dirs_ && data_, "libsquashfs makes its readers");
    must(sqfs_data_reader_load_fragment_table(data_.get(), &super_));
    // Without a table, libsquashfs dereferences a null pointer for an inode that has an attribute index.
    constexpr sqfs_u64 kNoTable = ~sqfs_u64{0};
    const bool has_table = super_.xattr_id_table_start != kNoTable;
    if (has_table && (super_.flags & SQFS_FLAG_NO_XATTRS) != 0)
      throw Error(ErrorKind::integrity, "the image is damaged: it says that it has no attributes, and has some");
    if (has_table) {
      xattrs_.reset(sqfs_xattr_reader_create(0));
      must(sqfs_xattr_reader_load(xattrs_.get(), &super_, file_.get(), compressor_.get()));
    }
  }

  ImageContent run() {
    sqfs_inode_generic_t* root = nullptr;
    must(sqfs_dir_reader_get_root_inode(dirs_.get(), &root));
    visit(SqfsInode(root), "", 0);
    std::sort(listing_.begin(), listing_.end(),
              [](const Entry& a, const Entry& b) { return a.path < b.path; });
    std::map<std::uint32_t, const Entry*> first_of;
    for (Entry& entry : listing_) {
      if (entry.type == EntryType::directory) continue;
      const auto [it, is_new] = first_of.try_emplace(numbers_.at(entry.path), &entry);
      if (!is_new) entry.hard_link = it->second->path;
    }
    return {"squashfs", std::move(listing_), std::move(texts_)};
  }

 private:
  static void must(int code) { sqfs_must(code, "read the image", ErrorKind::integrity); }

  void visit(SqfsInode inode, const std::string& path, int depth) {
    if (depth > kMaxDepth) throw Error(ErrorKind::integrity, "the image is damaged: folders without end");
    budget_.take_entry(path);
    Entry entry{.path = path, .mode = inode->base.mode & 07777U, .mtime = inode->base.mod_time};
    must(sqfs_id_table_index_to_id(ids_.get(), inode->base.uid_idx, &entry.uid));
    must(sqfs_id_table_index_to_id(ids_.get(), inode->base.gid_idx, &entry.gid));
    read_xattrs(*inode, entry);
    switch (inode->base.mode & SQFS_INODE_MODE_MASK) {
      case SQFS_INODE_MODE_DIR:
        entry.type = EntryType::directory;
        if (!folders_.insert(inode->base.inode_number).second)
          throw Error(ErrorKind::integrity, "the image is damaged: /" + path + " is in two places");
        add(entry, *inode);
        return visit_children(*inode, path, depth);
      case SQFS_INODE_MODE_LNK:
        entry.type = EntryType::symlink;
        entry.mode = 0777;
        entry.link_target.assign(reinterpret_cast<const char*>(inode->extra), inode->data.slink.target_size);
        break;
      case SQFS_INODE_MODE_CHR:
      case SQFS_INODE_MODE_BLK: {
        entry.type = (inode->base.mode & SQFS_INODE_MODE_MASK) == SQFS_INODE_MODE_CHR
                         ? EntryType::char_device
                         : EntryType::block_device;
        const std::uint32_t number = inode->data.dev.devno;
        entry.major = (number >> 8U) & 0xfffU;
        entry.minor = (number & 0xffU) | ((number >> 12U) & 0xfff00U);
        break;
      }
      case SQFS_INODE_MODE_FIFO:
        entry.type = EntryType::fifo;
        break;
      case SQFS_INODE_MODE_REG:
        read_content(*inode, entry);
        break;
      default:
        throw Error(ErrorKind::integrity, "/" + path + " of the image is a socket");
    }
    add(entry, *inode);
  }

  /// The kernel remembers inodes by their number: of two different ones with the same, it shows whichever was looked at
  /// first, under both names. Hard links are one inode, so all that they have is equal.
  void check_number(const sqfs_inode_generic_t& inode, const std::string& path) {
    std::string bytes(reinterpret_cast<const char*>(&inode.base), sizeof inode.base);
    bytes.append(reinterpret_cast<const char*>(&inode.data), sizeof inode.data);
    bytes.append(reinterpret_cast<const char*>(inode.extra), inode.payload_bytes_used);
    const Digest digest = sha256(bytes);
    if (inodes_.try_emplace(inode.base.inode_number, digest).first->second != digest)
      throw Error(ErrorKind::integrity, "the image is damaged: /" + path + " has the inode number of another file");
  }

  void add(const Entry& entry, const sqfs_inode_generic_t& inode) {
    check_number(inode, entry.path);
    numbers_[entry.path] = inode.base.inode_number;
    listing_.push_back(entry);
  }

  void visit_children(const sqfs_inode_generic_t& inode, const std::string& path, int depth) {
    check_folder_index(*file_.get(), *compressor_, super_, inode, path);
    must(sqfs_dir_reader_open_dir(dirs_.get(), &inode, 0));
    // The reader holds one folder at a time: all children are taken out before the first is entered.
    std::vector<std::pair<std::string, SqfsInode>> children;
    for (;;) {
      sqfs_dir_entry_t* child = nullptr;
      const int result = sqfs_dir_reader_read(dirs_.get(), &child);
      if (result > 0) break;
      must(result);
      const std::unique_ptr<sqfs_dir_entry_t, SqfsFree> owner(child);
      std::string name(reinterpret_cast<const char*>(child->name), child->size + std::size_t{1});
      if (name == "." || name == ".." || name.find('/') != std::string::npos)
        throw Error(ErrorKind::integrity, "the image has a file called '" + name + "'");
      // The kernel stops looking for a name at the first one behind it.
      if (!children.empty() && name <= children.back().first)
        throw Error(ErrorKind::integrity, "the image is damaged: the folder /" + path + " is not in order");
      sqfs_inode_generic_t* child_inode = nullptr;
      must(sqfs_dir_reader_get_inode(dirs_.get(), &child_inode));
      children.emplace_back(std::move(name), child_inode);
      if (children.size() > limits::kImageEntries)
        throw Error(ErrorKind::integrity, "the image is damaged: a folder without end");
    }
    for (auto& [name, child] : children)
      visit(std::move(child), path.empty() ? name : path + "/" + name, depth + 1);
  }

  void read_content(const sqfs_inode_generic_t& inode, Entry& entry) {
    must(sqfs_inode_get_file_size(&inode, &entry.size));
    const auto known = contents_.find(inode.base.inode_number);
    const bool keep = options_.keeps(entry.path);
    if (!keep && options_.only_wanted) return;
    if (known != contents_.end() && !keep) {
      entry.content = known->second;
      return;
    }
    Sha256 hash;
    std::vector<char> buffer(1U << 20U);
    budget_.take_content(entry.size);
    if (keep) budget_.take_text(entry.size);
    for (std::uint64_t at = 0; at < entry.size;) {
      throw_if_interrupted();
      const auto want = static_cast<sqfs_u32>(std::min<std::uint64_t>(buffer.size(), entry.size - at));
      const sqfs_s32 got = sqfs_data_reader_read(data_.get(), &inode, at, buffer.data(), want);
      must(got);
      if (got == 0) throw Error(ErrorKind::integrity, "/" + entry.path + " of the image ends too early");
      hash.update({buffer.data(), static_cast<std::size_t>(got)});
      if (keep) texts_[entry.path].append(buffer.data(), static_cast<std::size_t>(got));
      at += static_cast<std::uint64_t>(got);
    }
    entry.content = hash.finish();
    contents_[inode.base.inode_number] = entry.content;
  }

  void read_xattrs(const sqfs_inode_generic_t& inode, Entry& entry) {
    if (!xattrs_) return;
    sqfs_u32 index = 0;
    sqfs_inode_get_xattr_index(&inode, &index);
    if (index == 0xffffffffU) return;
    sqfs_xattr_id_t where{};
    must(sqfs_xattr_reader_get_desc(xattrs_.get(), index, &where));
    must(sqfs_xattr_reader_seek_kv(xattrs_.get(), &where));
    for (std::uint32_t i = 0; i < where.count; ++i) {
      sqfs_xattr_entry_t* key = nullptr;
      must(sqfs_xattr_reader_read_key(xattrs_.get(), &key));
      const std::unique_ptr<sqfs_xattr_entry_t, SqfsFree> key_owner(key);
      sqfs_xattr_value_t* value = nullptr;
      must(sqfs_xattr_reader_read_value(xattrs_.get(), key, &value));
      const std::unique_ptr<sqfs_xattr_value_t, SqfsFree> value_owner(value);
      entry.xattrs.push_back({reinterpret_cast<const char*>(key->key),
                              {reinterpret_cast<const char*>(value->value), value->size}});
    }
    std::sort(entry.xattrs.begin(), entry.xattrs.end());
  }

  const ReadOptions& options_;
  ReadBudget& budget_;
  std::map<std::string, std::string> texts_;
  SourceFile file_;
  sqfs_super_t super_{};
  Sqfs<sqfs_compressor_t> compressor_;
  Sqfs<sqfs_id_table_t> ids_;
  Sqfs<sqfs_dir_reader_t> dirs_;
  Sqfs<sqfs_data_reader_t> data_;
  Sqfs<sqfs_xattr_reader_t> xattrs_;
  Listing listing_;
  std::map<std::string, std::uint32_t> numbers_;
  std::map<std::uint32_t, Digest> inodes_;  ///< number → all that the inode has
  std::map<std::uint32_t, Digest> contents_;
  std::set<std::uint32_t> folders_;
};

}  // namespace

ImageContent read_squashfs(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) {
  return SquashfsReader(image, options, budget).run();
}

}  // namespace alephc
