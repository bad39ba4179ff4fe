// SPDX-License-Identifier: MIT
// squashfs 4.0: contents by data.cpp, inodes and tables by libsquashfs. Inodes are numbered in
// listing order, data is laid down in listing order, directories after what they hold. Inodes need only the places of data,
// and are written while blocks of former images are still being copied.
#include <algorithm>
#include <array>
#include <map>

#include <sqfs/compressor.h>
#include <sqfs/dir_writer.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/io.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>
#include <unistd.h>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/trace.hpp"
#include "image/squashfs/common.hpp"
#include "image/squashfs/compressor.hpp"
#include "image/squashfs/data.hpp"
#include "image/squashfs/squashfs.hpp"

namespace alephc {
namespace {

constexpr std::uint32_t kNoXattr = 0xffffffffU;

class SquashfsWriter {
 public:
  SquashfsWriter(const SquashfsWriter&) = delete;
  SquashfsWriter& operator=(const SquashfsWriter&) = delete;
  SquashfsWriter(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path)
      : tree_(tree),
        entries_(tree.entries()),
        options_(options),
        file_(path),
        compressor_(make_compressor(options.image)),
        ids_(sqfs_id_table_create(0)),
        xattrs_(sqfs_xattr_writer_create(0)),
        fragments_(sqfs_frag_table_create(0)) {
    check(ids_ && xattrs_ && fragments_, "libsquashfs makes its tables");
  }

  void run() {
    sqfs_must(sqfs_super_init(&super_, options_.image.block_size, static_cast<sqfs_u32>(options_.time),
                              compressor_id(options_.image.compression)),
              "start the image");
    sqfs_must(sqfs_super_write(&super_, file_.handle()), "start the image");
    const int option_bytes = compressor_->write_options(compressor_.get(), file_.handle());
    sqfs_must(option_bytes, "write the compressor's options");
    if (option_bytes > 0) super_.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;
    number_inodes();
    const std::unique_ptr<SquashfsData> data = squashfs_data(tree_, options_, file_);
    {
      const TraceSpan span("image", "lay out data");
      take_places(data->lay_out());
    }
    {
      const TraceSpan span("image", "write tables");
      write_inodes();
      finish();
    }
    if (options_.hasher != nullptr) options_.hasher->settle_start();
    const TraceSpan span("image", "wait for data");
    data->finish();
  }

 private:
  /// Hard links share the number of their first path.
  void number_inodes() {
    numbers_.resize(entries_.size());
    children_.resize(entries_.size());
    std::map<std::string_view, std::size_t> index_of;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      index_of[entry.path] = i;
      if (entry.hard_link.empty()) {
        numbers_[i] = ++super_.inode_count;
      } else {
        const std::size_t first = index_of.at(entry.hard_link);
        numbers_[i] = numbers_[first];
        ++links_[first];
        first_of_[i] = first;
      }
      if (!entry.path.empty()) children_[index_of.at(parent_path(entry.path))].push_back(i);
    }
    inodes_.resize(entries_.size());
    references_.resize(entries_.size());
    done_.resize(entries_.size());
  }

  void take_places(ImageData data) {
    for (const PackedFragment& fragment : data.packed.fragments)
      sqfs_must(sqfs_frag_table_append(fragments_.get(), fragment.offset, fragment.block.word, nullptr),
                "record a fragment");
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].type == EntryType::regular && entries_[i].hard_link.empty())
        inodes_[i] = file_inode(entries_[i], data.files[i]);
    if (options_.cache != nullptr) options_.cache->keep(std::move(data.packed));
  }

  static SqfsInode file_inode(const Entry& entry, const FileData& data) {
    SqfsInode inode = plain_inode(data.words.size() * sizeof(sqfs_u32));
    inode->base.type = SQFS_INODE_FILE;
    inode->payload_bytes_available = static_cast<sqfs_u32>(data.words.size() * sizeof(sqfs_u32));
    inode->payload_bytes_used = inode->payload_bytes_available;
    std::copy(data.words.begin(), data.words.end(), inode->extra);
    sqfs_must(sqfs_inode_set_frag_location(inode.get(), data.fragment, data.fragment_offset),
              "record a fragment");
    sqfs_must(sqfs_inode_set_file_block_start(inode.get(), data.start), "record a file");
    sqfs_must(sqfs_inode_set_file_size(inode.get(), entry.size), "record a file");
    if (data.zeros > 0) {
      sqfs_must(sqfs_inode_make_extended(inode.get()), "record a file");
      inode->data.file_ext.sparse = data.zeros;
    }
    return inode;
  }

  std::uint32_t xattr_index(const Entry& entry) {
    if (entry.xattrs.empty()) return kNoXattr;
    sqfs_must(sqfs_xattr_writer_begin(xattrs_.get(), 0), "record attributes");
    for (const Xattr& xattr : entry.xattrs)
      sqfs_must(
          sqfs_xattr_writer_add(xattrs_.get(), xattr.name.c_str(), xattr.value.data(), xattr.value.size()),
          "record " + xattr.name + " of /" + entry.path);
    sqfs_u32 index = kNoXattr;
    sqfs_must(sqfs_xattr_writer_end(xattrs_.get(), &index), "record attributes");
    return index;
  }

  static SqfsInode plain_inode(std::size_t extra) {
    void* memory = std::calloc(1, sizeof(sqfs_inode_generic_t) + extra);
    check(memory != nullptr, "there is memory for an inode");
    return SqfsInode(static_cast<sqfs_inode_generic_t*>(memory));
  }

  SqfsInode special_inode(const Entry& entry) const {
    SqfsInode inode = plain_inode(entry.link_target.size());
    switch (entry.type) {
      using enum EntryType;
      case symlink:
        inode->base.type = SQFS_INODE_SLINK;
        inode->data.slink.target_size = static_cast<sqfs_u32>(entry.link_target.size());
        std::copy(entry.link_target.begin(), entry.link_target.end(), reinterpret_cast<char*>(inode->extra));
        break;
      case char_device:
      case block_device:
        inode->base.type = entry.type == char_device ? SQFS_INODE_CDEV : SQFS_INODE_BDEV;
        inode->data.dev.devno = device_number(entry);
        break;
      default:
        inode->base.type = SQFS_INODE_FIFO;
        break;
    }
    return inode;
  }

  void set_links(sqfs_inode_generic_t* inode, std::size_t index) const {
    const auto extra = links_.find(index);
    const sqfs_u32 count = 1 + (extra == links_.end() ? 0 : extra->second);
    const bool is_file = inode->base.type == SQFS_INODE_FILE || inode->base.type == SQFS_INODE_EXT_FILE;
    if (is_file && count == 1) return;
    if (is_file) {
      sqfs_must(sqfs_inode_make_extended(inode), "count links");
      inode->data.file_ext.nlink = count;
    } else {
      inode->data.slink.nlink = count;  // at the same place in all the others
    }
  }

  void write_inodes() {
    inode_writer_.reset(sqfs_meta_writer_create(file_.handle(), compressor_.get(), 0));
    dir_table_.reset(
        sqfs_meta_writer_create(file_.handle(), compressor_.get(), SQFS_META_WRITER_KEEP_IN_MEMORY));
    check(inode_writer_ && dir_table_, "libsquashfs makes its writers");
    dir_writer_.reset(sqfs_dir_writer_create(dir_table_.get(), SQFS_DIR_WRITER_CREATE_EXPORT_TABLE));
    check(dir_writer_ != nullptr, "libsquashfs makes its writers");
    super_.inode_table_start = file_.size();
    write_subtree(0, super_.inode_count + 1);
    sqfs_must(sqfs_meta_writer_flush(inode_writer_.get()), "write the inodes");
    sqfs_must(sqfs_meta_writer_flush(dir_table_.get()), "write the folders");
    super_.root_inode_ref = references_[0];
  }

  void write_subtree(std::size_t index, std::uint32_t parent_number) {
    if (done_[index]) return;
    for (const std::size_t child : children_[index])
      if (!first_of_.contains(child)) write_subtree(child, numbers_[index]);
    const Entry& entry = entries_[index];
    SqfsInode& inode = inodes_[index];
    const std::uint32_t xattr = xattr_index(entry);
    if (entry.type == EntryType::directory) {
      sqfs_must(sqfs_dir_writer_begin(dir_writer_.get(), 0), "write a folder");
      for (const std::size_t child : children_[index]) {
        const std::size_t first = first_of_.contains(child) ? first_of_.at(child) : child;
        // A link may stand in a folder that is written before the one of its first path.
        if (!done_[first]) write_subtree(first, 0);
        sqfs_must(sqfs_dir_writer_add_entry(dir_writer_.get(), base_name(entries_[child].path).c_str(),
                                            numbers_[child], references_[first],
                                            static_cast<sqfs_u16>(type_bits(entries_[child].type))),
                  "write a folder");
      }
      sqfs_must(sqfs_dir_writer_end(dir_writer_.get()), "write a folder");
      inode.reset(sqfs_dir_writer_create_inode(dir_writer_.get(), 0, xattr, parent_number));
      check(inode != nullptr, "libsquashfs makes a folder's inode");
    } else if (entry.type != EntryType::regular) {
      inode = special_inode(entry);
    }
    if (entry.type != EntryType::directory) {
      set_links(inode.get(), index);
      sqfs_must(sqfs_inode_set_xattr_index(inode.get(), xattr), "record attributes");
    }
    write_inode(index, inode.get());
    inode.reset();
  }

  void write_inode(std::size_t index, sqfs_inode_generic_t* inode) {
    const Entry& entry = entries_[index];
    inode->base.mode = static_cast<sqfs_u16>(entry.mode | type_bits(entry.type));
    inode->base.mod_time =
        static_cast<sqfs_u32>(std::max<std::int64_t>(0, options_.keep_times ? entry.mtime : options_.time));
    inode->base.inode_number = numbers_[index];
    sqfs_must(sqfs_id_table_id_to_index(ids_.get(), entry.uid, &inode->base.uid_idx), "record an owner");
    sqfs_must(sqfs_id_table_id_to_index(ids_.get(), entry.gid, &inode->base.gid_idx), "record an owner");
    sqfs_u64 block = 0;
    sqfs_u32 offset = 0;
    sqfs_meta_writer_get_position(inode_writer_.get(), &block, &offset);
    references_[index] = (block << 16U) | offset;
    done_[index] = true;
    sqfs_must(sqfs_meta_writer_write_inode(inode_writer_.get(), inode), "write an inode");
  }

  void finish() {
    super_.directory_table_start = file_.size();
    sqfs_must(sqfs_meta_write_write_to_file(dir_table_.get()), "write the folders");
    sqfs_must(sqfs_frag_table_write(fragments_.get(), file_.handle(), &super_, compressor_.get()),
              "write the fragment table");
    sqfs_must(sqfs_dir_writer_write_export_table(dir_writer_.get(), file_.handle(), compressor_.get(),
                                                 numbers_[0], references_[0], &super_),
              "write the export table");
    sqfs_must(sqfs_id_table_write(ids_.get(), file_.handle(), &super_, compressor_.get()),
              "write the owners");
    sqfs_must(sqfs_xattr_writer_flush(xattrs_.get(), file_.handle(), &super_, compressor_.get()),
              "write the attributes");
    super_.bytes_used = file_.size();
    sqfs_must(sqfs_super_write(&super_, file_.handle()), "finish the image");
    const std::uint64_t rest = super_.bytes_used % options_.page;
    if (rest > 0) {
      const std::string zeros(options_.page - rest, '\0');
      sqfs_must(file_.handle()->write_at(file_.handle(), super_.bytes_used, zeros.data(), zeros.size()),
                "pad the image");
    }
    file_.flush();
  }

  const Tree& tree_;
  const Listing& entries_;
  const WriteOptions& options_;
  sqfs_super_t super_{};
  ImageFile file_;
  Sqfs<sqfs_compressor_t> compressor_;
  Sqfs<sqfs_id_table_t> ids_;
  Sqfs<sqfs_xattr_writer_t> xattrs_;
  Sqfs<sqfs_frag_table_t> fragments_;
  Sqfs<sqfs_meta_writer_t> inode_writer_;
  Sqfs<sqfs_meta_writer_t> dir_table_;
  Sqfs<sqfs_dir_writer_t> dir_writer_;
  std::vector<std::uint32_t> numbers_;
  std::vector<std::vector<std::size_t>> children_;
  std::map<std::size_t, std::uint32_t> links_;   ///< further paths of a group, by its first
  std::map<std::size_t, std::size_t> first_of_;  ///< hard link → first path
  std::vector<SqfsInode> inodes_;
  std::vector<std::uint64_t> references_;
  std::vector<bool> done_;
};

void check_attributes(const Listing& entries) {
  for (const Entry& entry : entries)
    for (const Xattr& xattr : entry.xattrs)
      if (xattr.name.starts_with("system."))
        throw Error(ErrorKind::failed,
                    "/" + entry.path + " has an access list (" + xattr.name + "), which squashfs cannot hold",
                    "remove it with a script ('setfacl -b'), or choose another format");
}

}  // namespace

void write_squashfs(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) {
  check_attributes(tree.entries());
  check(!tree.entries().empty() && tree.entries().front().path.empty(), "a whole tree has a root");
  SquashfsWriter(tree, options, path).run();
}

}  // namespace alephc
