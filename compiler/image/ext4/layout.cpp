// SPDX-License-Identifier: MIT
#include "image/ext4/layout.hpp"

#include <map>
#include <string_view>

#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"

namespace alephc::ext4 {
namespace {

constexpr std::uint32_t kMostLinks = 65000;
constexpr std::size_t kChecksumEntry = 12;  ///< at the end of every block of a folder
constexpr std::size_t kExtentsInBlock = (kBlock - 16) / 12;

/// Packs names into the blocks of a folder. The last entry of a block reaches to its checksum.
class FolderBlocks {
 public:
  FolderBlocks(std::uint32_t self, std::uint32_t parent) {
    add(".", self, EntryType::directory);
    add("..", parent, EntryType::directory);
  }
  void add(std::string_view name, std::uint32_t inode, EntryType type) {
    const std::size_t size = (8 + name.size() + 3) / 4 * 4;
    if (block_.size() + size > kBlock - kChecksumEntry) close();
    last_ = block_.size();
    put_little(block_, inode, 4);
    put_little(block_, size, 2);
    put_little(block_, name.size(), 1);
    put_little(block_, type_number(type), 1);
    block_ += name;
    block_.resize(last_ + size, '\0');
  }
  std::vector<std::string> finish() {
    close();
    return std::move(blocks_);
  }

 private:
  void close() {
    set_little(block_, last_ + 4, kBlock - kChecksumEntry - last_, 2);
    block_.resize(kBlock - kChecksumEntry, '\0');
    put_little(block_, 0, 4);
    put_little(block_, kChecksumEntry, 2);
    put_little(block_, 0xDE00, 2);  // a name of no length of a type that no file has
    put_little(block_, 0, 4);
    blocks_.push_back(std::move(block_));
    block_.clear();
  }

  std::vector<std::string> blocks_;
  std::string block_;
  std::size_t last_ = 0;  ///< where the last entry of the block begins
};

class LayoutMaker {
 public:
  explicit LayoutMaker(const Tree& tree) : entries_(tree.entries()) {}

  Layout run(std::vector<std::vector<DataRun>> runs) {
    layout_.nodes.resize(entries_.size());
    children_.resize(entries_.size());
    for (std::size_t i = 0; i < runs.size(); ++i) layout_.nodes[i].runs = std::move(runs[i]);
    number();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].type == EntryType::directory) fill_folder(i);
      if (entries_[i].hard_link.empty()) layout_.blocks += blocks_of(i);
    }
    return std::move(layout_);
  }

 private:
  void number() {
    layout_.last_inode = kLostAndFound;
    std::map<std::string_view, std::size_t> index_of;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      index_of[entry.path] = i;
      Layout::Node& node = layout_.nodes[i];
      if (entry.path.empty()) {
        node.inode = kRoot;
        continue;
      }
      if (entry.path == "lost+found" && entry.type == EntryType::directory) {
        node.inode = kLostAndFound;
        has_lost_and_found_ = true;
      } else if (entry.hard_link.empty()) {
        node.inode = ++layout_.last_inode;
      } else {
        Layout::Node& first = layout_.nodes[index_of.at(entry.hard_link)];
        node.inode = first.inode;
        if (++first.links > kMostLinks)
          throw Error(ErrorKind::failed, "/" + entry.hard_link + " has more than " +
                                             std::to_string(kMostLinks) +
                                             " hard links, which ext4 cannot hold");
      }
      children_[index_of.at(parent_path(entry.path))].push_back(i);
    }
  }

  void fill_folder(std::size_t index) {
    Layout::Node& node = layout_.nodes[index];
    const std::string& path = entries_[index].path;
    const Entry* up = find_entry(entries_, parent_path(path));
    FolderBlocks blocks(node.inode, layout_.nodes[static_cast<std::size_t>(up - entries_.data())].inode);
    node.links = 2;
    const bool adds_lost_and_found = path.empty() && !has_lost_and_found_;
    if (adds_lost_and_found) {
      if (find_entry(entries_, "lost+found") != nullptr)
        throw Error(ErrorKind::failed, "/lost+found is not a folder, which ext4 needs");
      blocks.add("lost+found", kLostAndFound, EntryType::directory);
      ++node.links;
      layout_.lost_and_found = FolderBlocks(kLostAndFound, kRoot).finish().front();
      ++layout_.blocks;
    }
    for (const std::size_t child : children_[index]) {
      const Entry& entry = entries_[child];
      blocks.add(base_name(entry.path), layout_.nodes[child].inode, entry.type);
      if (entry.type == EntryType::directory) ++node.links;
    }
    // More subfolders than a count holds are no longer counted.
    if (node.links >= kMostLinks) node.links = 1;
    node.folder_blocks = blocks.finish();
  }

  [[nodiscard]] std::uint64_t blocks_of(std::size_t index) const {
    const Entry& entry = entries_[index];
    const Layout::Node& node = layout_.nodes[index];
    std::uint64_t blocks = node.folder_blocks.size() + (entry.xattrs.empty() ? 0 : 1);
    std::uint64_t extents = 0;
    for (const DataRun& run : node.runs) {
      const std::uint64_t run_blocks = (run.length + kBlock - 1) / kBlock;
      blocks += run_blocks;
      extents += 1 + run_blocks / kExtentBlocks;
    }
    // Twice what is full: nodes are split in halves, and the filesystem's own tables split extents.
    if (extents > 1) blocks += 2 + extents * 2 / kExtentsInBlock;
    if (entry.type == EntryType::symlink && entry.link_target.size() >= kFastSymlink) ++blocks;
    return blocks;
  }

  const Listing& entries_;
  Layout layout_;
  std::vector<std::vector<std::size_t>> children_;
  bool has_lost_and_found_ = false;
};

}  // namespace

Layout lay_out(const Tree& tree, unsigned jobs) {
  return LayoutMaker(tree).run(find_data_runs(tree, jobs));
}

}  // namespace alephc::ext4
