// SPDX-License-Identifier: MIT
//
// How the contents of a tree become the data of an image, with any number of threads and always the same bytes.
//
// One thread (DataWriter) walks the listing and decides what comes: whole blocks of large files, fragment blocks that
// small files and ends of files share, runs of blocks that a former image has already. Each is an Item in one queue.
// Threads (Packer) compress items in any order; DataWriter lays finished items into the image in the order in which it
// made them. Whatever decides the bytes (which members share a block, where it goes, what was stored before) is decided
// by that one thread, so the number of threads decides nothing.
//
// Of known blocks it only needs sizes and hashes, and leaves a hole of their size, which BlockCopier fills. So inodes and
// tables are written while most of an image is still being copied, and it is hashed right behind the copying.
//
// Invariants:
// - What is laid down was hashed in this process: contents against the listing while they are read, known blocks against
//   the hash that they had when they were compressed. A known block that does not fit is made again from the contents.
// - A run of blocks that equals an earlier one is taken back when its last block is there; the file is cut. Until then
//   nothing behind the run is final, which is why the hasher is told, and known blocks are copied, only at a run's end.
// - Items hold at most kMostBytes of contents, so that memory does not grow with the image.
//
// Not handled: blocks of different files that are equal one by one are stored once only as part of equal runs, as
// libsquashfs does it. The format is that of squashfs 4.0 (Linux, Documentation/filesystems/squashfs.rst).
#include "image/squashfs/data.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <unordered_map>

#include "base/interrupt.hpp"
#include "base/trace.hpp"
#include "image/content_reader.hpp"
#include "image/squashfs/block_copier.hpp"
#include "image/squashfs/compressed_blocks.hpp"
#include "image/squashfs/compressor.hpp"
#include "image/squashfs/fragments.hpp"

namespace alephc {
namespace {

constexpr std::size_t kMostBytes = 8U << 20U;  // of contents in memory
constexpr std::size_t kMostItems = 4096;  // what is known or compressed ahead has no bytes of its own

/// Something to be laid into the image, in order: a block of a file, a fragment block, or a run of blocks.
struct Item {
  enum class Kind { block, fragment, known_run, known_fragment, run_ahead };
  Kind kind = Kind::block;
  std::size_t index = 0;  ///< of the file's entry
  bool first = true;      ///< of the file's blocks
  bool last = true;
  std::vector<Member> members{};
  std::string raw{};
  // What the workers find out:
  PackedBytes made{};
  const PackedBytes* packed = nullptr;  ///< made, or compressed ahead
  // Known:
  Digest name{};  ///< of a fragment
  const CompressedBlocks::Run* ahead = nullptr;
  BlockCache::Found<PackedRun> known_run{};
  BlockCache::Found<PackedFragment> known_fragment{};

  std::size_t cost = 0;
  bool done = false;
  std::exception_ptr failure{};

  [[nodiscard]] bool is_compressed_here() const { return kind == Kind::block || kind == Kind::fragment; }
};

/// Packs items on any number of threads.
class Packer {
 public:
  Packer(const Tree& tree, const WriteOptions& options) : tree_(tree), options_(options) {
    for (unsigned i = 0; i < std::max(1U, options.jobs); ++i) threads_.emplace_back([this] { work(); });
  }
  ~Packer() {
    {
      const std::lock_guard guard(mutex_);
      closing_ = true;
    }
    ready_.notify_all();
  }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  void submit(Item* item) {
    {
      const std::lock_guard guard(mutex_);
      queue_.push_back(item);
    }
    ready_.notify_one();
  }

  [[nodiscard]] bool has_done(const Item& item) {
    const std::lock_guard guard(mutex_);
    return item.done;
  }

  void wait(Item& item) {
    std::unique_lock guard(mutex_);
    finished_.wait(guard, [&] { return item.done; });
    if (item.failure) std::rethrow_exception(item.failure);
  }

  void pack(Item& item, sqfs_compressor_t& compressor) const {
    const bool fragment = item.kind == Item::Kind::fragment;
    if (fragment && options_.blocks != nullptr) item.packed = options_.blocks->find_fragment(item.name);
    if (item.packed != nullptr) return;
    if (fragment) item.raw = read_members(item.members);
    const Digest name = fragment ? item.name : block_name(item.raw);
    if (fragment || !take_known(item, name))
      item.made = pack_block(item.raw, name, options_.image.block_size, compressor);
    item.packed = &item.made;
  }

 private:
  void work() {
    Sqfs<sqfs_compressor_t> compressor;
    for (;;) {
      Item* item = nullptr;
      {
        std::unique_lock guard(mutex_);
        ready_.wait(guard, [this] { return closing_ || !queue_.empty(); });
        if (closing_) return;
        item = queue_.front();
        queue_.pop_front();
      }
      const TraceSpan span("compress", name_of(*item));
      try {
        if (!compressor) compressor = make_compressor(options_.image);
        pack(*item, *compressor);
      } catch (...) {
        item->failure = std::current_exception();
      }
      const std::lock_guard guard(mutex_);
      item->done = true;
      finished_.notify_all();
    }
  }

  [[nodiscard]] std::string name_of(const Item& item) const {
    return item.kind == Item::Kind::fragment ? std::to_string(item.members.size()) + " members"
                                             : "/" + tree_.entries()[item.index].path;
  }

  [[nodiscard]] std::string read_members(const std::vector<Member>& members) const {
    std::string raw;
    raw.reserve(options_.image.block_size);
    for (const Member& member : members) {
      if (!member.bytes.empty()) {
        raw += member.bytes;
        continue;
      }
      const Entry& entry = tree_.entries()[member.file];
      if (entry.size == member.size)
        read_checked(tree_, entry, [&](std::string_view bytes) { raw += bytes; });
      else
        raw += read_end(entry, member);
    }
    return raw;
  }

  /// The rest of the file is not read: its compressed bytes are known.
  [[nodiscard]] std::string read_end(const Entry& entry, const Member& member) const {
    const UniqueFd fd = tree_.open_content(entry);
    std::string bytes(member.size, '\0');
    if (read_at(fd.get(), entry.size - member.size, bytes) < 0)
      throw system_error("read /" + entry.path, errno);
    if (sha256(bytes) != member.content) throw damaged_content(entry);
    return bytes;
  }

  /// A block of a file that is not known as a whole.
  bool take_known(Item& item, const Digest& name) const {
    if (options_.cache == nullptr) return false;
    std::optional<PackedBytes> known = options_.cache->read_block(name);
    if (!known || !unpacks_to(item.raw, *known, options_.image)) return false;
    item.made = std::move(*known);
    return true;
  }

  const Tree& tree_;
  const WriteOptions& options_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable finished_;
  std::deque<Item*> queue_;
  bool closing_ = false;
  std::vector<std::jthread> threads_;
};

/// The blocks that an image holds, in their order, so that a run which is there already is found.
class StoredBlocks {
 public:
  [[nodiscard]] std::size_t size() const { return stored_.size(); }
  [[nodiscard]] std::uint64_t offset_of(std::size_t index) const { return stored_[index].offset; }

  void add(const PackedBlock& block, std::uint64_t offset) {
    positions_[block.packed].push_back(stored_.size());
    stored_.push_back({block.packed, offset, block.word});
  }

  void cut(std::size_t size) {
    for (; stored_.size() > size; stored_.pop_back()) positions_[stored_.back().packed].pop_back();
  }

  /// The first place where the same blocks follow each other as from begin to the end.
  [[nodiscard]] std::size_t find_same(std::size_t begin) const {
    const std::size_t count = stored_.size() - begin;
    for (const std::size_t at : positions_.at(stored_[begin].packed)) {
      std::size_t k = 0;
      while (k < count && stored_[at + k].holds_same_as(stored_[begin + k])) ++k;
      if (k == count) return at;
    }
    return begin;  // not reached: a run is found at its own place at last
  }

 private:
  struct Stored {
    Digest packed{};
    std::uint64_t offset = 0;
    std::uint32_t word = 0;
    [[nodiscard]] bool holds_same_as(const Stored& other) const {
      return packed == other.packed && word == other.word;
    }
  };
  std::vector<Stored> stored_;
  std::unordered_map<Digest, std::vector<std::size_t>, DigestHash> positions_;
};

class DataWriter : public SquashfsData {
 public:
  DataWriter(const Tree& tree, const WriteOptions& options, ImageFile& file)
      : tree_(tree),
        entries_(tree.entries()),
        block_size_(options.image.block_size),
        options_(options),
        file_(file),
        packing_(block_size_, [this](std::vector<Member> members,
                                     const Digest& name) { add_fragment(std::move(members), name); }),
        packer_(tree, options),
        copier_(file, options.hasher,
                [this](const KnownBlocks& blocks, const BlockCopier::Take& take) { make_again(blocks, take); }) {
    data_.files.resize(entries_.size());
  }

  ImageData lay_out() override {
    std::unordered_map<Digest, std::size_t, DigestHash> seen;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      if (entry.type != EntryType::regular || !entry.hard_link.empty() || entry.size == 0) continue;
      throw_if_interrupted();
      if (entry.size < block_size_) {
        add_tail({.file = i, .size = static_cast<std::uint32_t>(entry.size), .content = entry.content});
      } else if (const auto [it, fresh] = seen.try_emplace(entry.content, i); fresh) {
        add_large(i);
      } else {
        copies_.emplace_back(i, it->second);
      }
    }
    packing_.close();
    while (!items_.empty()) lay_down();
    for (const std::size_t i : zero_tails_) add_zeros(i);
    for (std::size_t k = 0; k < run_files_.size(); ++k)
      if (const auto tail = tails_of_.find(run_files_[k]); tail != tails_of_.end())
        data_.packed.runs[k].tail = tail->second;
    for (const auto& [copy, first] : copies_) data_.files[copy] = data_.files[first];
    return std::move(data_);
  }

  void finish() override { copier_.finish(); }

 private:
  void add_large(std::size_t i) {
    const Entry& entry = entries_[i];
    const auto rest = static_cast<std::uint32_t>(entry.size % block_size_);
    if (const auto end = add_known_run(i)) {
      tails_of_[i] = *end;
      if (rest > 0) add_tail({.file = i, .size = rest, .content = *end});
      return;
    }
    std::string tail = read_blocks(i, [this](Item item) { push(std::move(item)); });
    if (rest == 0) return;
    const Digest content = sha256(tail);
    tails_of_[i] = content;
    add_tail({.file = i, .size = rest, .content = content, .bytes = std::move(tail)});
  }

  /// The digest of what remains behind blocks that were compressed before.
  std::optional<Digest> add_known_run(std::size_t i) {
    const Digest& content = entries_[i].content;
    if (options_.blocks != nullptr)
      if (const auto* ahead = options_.blocks->find_run(content)) {
        push({.kind = Item::Kind::run_ahead, .index = i, .ahead = ahead});
        return ahead->tail;
      }
    if (options_.cache != nullptr)
      if (const auto known = options_.cache->find_run(content)) {
        push({.kind = Item::Kind::known_run, .index = i, .known_run = *known});
        return known->packed->tail;
      }
    return std::nullopt;
  }

  /// Cuts a file into blocks; what remains is returned.
  template <typename Take>
  std::string read_blocks(std::size_t i, Take&& take) const {
    const std::uint64_t count = entries_[i].size / block_size_;
    std::uint64_t number = 0;
    std::string rest;
    read_checked_pieces(tree_, entries_[i], block_size_, [&](std::string bytes) {
      if (bytes.size() < block_size_) {
        rest = std::move(bytes);
        return;
      }
      ++number;
      take(Item{.index = i, .first = number == 1, .last = number == count, .raw = std::move(bytes)});
    });
    return rest;
  }

  void add_tail(Member member) {
    const std::size_t i = member.file;
    if (const auto place = packing_.add(std::move(member))) {
      data_.files[i].fragment = place->fragment;
      data_.files[i].fragment_offset = place->offset;
    } else {
      zero_tails_.push_back(i);
    }
  }

  void add_fragment(std::vector<Member> members, const Digest& name) {
    Item item{.kind = Item::Kind::fragment, .members = std::move(members), .name = name};
    if (options_.cache != nullptr)
      if (const auto known = options_.cache->find_fragment(name)) {
        item.kind = Item::Kind::known_fragment;
        item.known_fragment = *known;
      }
    push(std::move(item));
  }

  void push(Item item) {
    item.done = !item.is_compressed_here();
    item.cost = item.done ? 0 : block_size_;
    bytes_ += item.cost;
    items_.push_back(std::make_unique<Item>(std::move(item)));
    if (!items_.back()->done) packer_.submit(items_.back().get());
    while (bytes_ > std::max<std::size_t>(kMostBytes, 4UL * options_.jobs * block_size_) ||
           items_.size() > kMostItems || (!items_.empty() && packer_.has_done(*items_.front())))
      lay_down();
  }

  void lay_down() {
    const std::unique_ptr<Item> item = std::move(items_.front());
    items_.pop_front();
    packer_.wait(*item);
    bytes_ -= item->cost;
    lay(*item);
    // A run may be taken back at its end.
    if (item->last) copier_.settle(file_.size());
  }

  void lay(Item& item) {
    switch (item.kind) {
      case Item::Kind::block:
        return lay_block(item);
      case Item::Kind::fragment:
        return lay_fragment(item);
      case Item::Kind::known_run:
        return lay_known_run(item);
      case Item::Kind::known_fragment:
        return lay_known_fragment(item);
      case Item::Kind::run_ahead:
        return lay_run_ahead(item);
    }
  }

  /// Called by the copier's thread.
  void make_again(const KnownBlocks& blocks, const BlockCopier::Take& take) const {
    const Sqfs<sqfs_compressor_t> compressor = make_compressor(options_.image);
    const auto make = [&](Item item) {
      packer_.pack(item, *compressor);
      take(*item.packed);
    };
    if (blocks.members.empty())
      read_blocks(blocks.file, make);
    else
      make({.kind = Item::Kind::fragment, .members = blocks.members, .name = blocks.blocks.front().name});
  }

  void lay_block(const Item& item) {
    if (item.first) begin_run(item.index);
    lay_block_of_run(*item.packed);
    if (item.last) end_run(item.index);
  }

  void lay_run_ahead(const Item& item) {
    begin_run(item.index);
    for (const PackedBytes& packed : item.ahead->blocks) lay_block_of_run(packed);
    end_run(item.index);
  }

  void lay_block_of_run(const PackedBytes& packed) {
    data_.packed.runs.back().blocks.push_back(packed.block);
    if (packed.block.word == 0) return;
    stored_.add(packed.block, file_.size());
    file_.append(packed.bytes);
  }

  void lay_fragment(const Item& item) {
    note_fragment(item.packed->block);
    file_.append(item.packed->bytes);
  }

  void lay_known_fragment(Item& item) {
    const PackedFragment& known = *item.known_fragment.packed;
    const std::uint64_t at = file_.size();
    note_fragment(known.block);
    file_.leave_hole(packed_size(known.block.word));
    copier_.copy({.image = item.known_fragment.image,
                  .from = known.offset,
                  .to = at,
                  .blocks = {&known.block, 1},
                  .members = std::move(item.members)});
  }

  void note_fragment(const PackedBlock& block) {
    data_.packed.fragments.push_back({.offset = file_.size(), .block = block});
    stored_.add(block, file_.size());
  }

  void lay_known_run(const Item& item) {
    const PackedRun& known = *item.known_run.packed;
    const std::uint64_t begin = file_.size();
    begin_run(item.index);
    for (const PackedBlock& block : known.blocks) {
      data_.packed.runs.back().blocks.push_back(block);
      if (block.word == 0) continue;
      stored_.add(block, file_.size());
      file_.leave_hole(packed_size(block.word));
    }
    end_run(item.index);
    // What is there already was taken back.
    std::size_t count = 0;
    for (std::uint64_t at = begin; at < file_.size(); ++count) at += packed_size(known.blocks[count].word);
    if (count > 0)
      copier_.copy({.image = item.known_run.image,
                    .from = known.offset,
                    .to = begin,
                    .blocks = std::span(known.blocks).first(count),
                    .file = item.index});
  }

  void begin_run(std::size_t i) {
    run_begin_ = stored_.size();
    run_files_.push_back(i);
    data_.packed.runs.push_back({.content = entries_[i].content});
  }

  void forget_stored(std::size_t from) {
    if (from == stored_.size()) return;
    file_.truncate(stored_.offset_of(from));
    stored_.cut(from);
  }

  void end_run(std::size_t i) {
    PackedRun& run = data_.packed.runs.back();
    FileData& data = data_.files[i];
    for (const PackedBlock& block : run.blocks) {
      data.words.push_back(block.word);
      if (block.word == 0) data.zeros += block_size_;
    }
    const std::size_t count = stored_.size() - run_begin_;
    if (count == 0) return;
    const std::size_t same = stored_.find_same(run_begin_);
    data.start = stored_.offset_of(same);
    run.offset = data.start;
    if (same == run_begin_) return;
    // The blocks are there already; where the two overlap, what goes on behind the first stays.
    forget_stored(std::max(run_begin_, same + count));
  }

  void add_zeros(std::size_t i) {
    FileData& data = data_.files[i];
    data.words.push_back(0);
    data.zeros += entries_[i].size % block_size_;
  }

  const Tree& tree_;
  const Listing& entries_;
  std::uint32_t block_size_;
  const WriteOptions& options_;
  ImageFile& file_;
  ImageData data_;
  std::vector<std::pair<std::size_t, std::size_t>> copies_;  ///< file, the earlier one with its content
  std::vector<std::size_t> zero_tails_;
  std::map<std::size_t, Digest> tails_of_;  ///< of large files
  std::vector<std::size_t> run_files_;      ///< whose the runs are
  FragmentPacking packing_;

  StoredBlocks stored_;
  std::size_t run_begin_ = 0;

  std::deque<std::unique_ptr<Item>> items_;
  std::size_t bytes_ = 0;
  Packer packer_;
  BlockCopier copier_;  ///< last, so that its thread ends first: it calls back
};

}  // namespace

std::unique_ptr<SquashfsData> squashfs_data(const Tree& tree, const WriteOptions& options, ImageFile& file) {
  return std::make_unique<DataWriter>(tree, options, file);
}

}  // namespace alephc
