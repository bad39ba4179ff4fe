// SPDX-License-Identifier: MIT
#include "image/btrfs/data.hpp"

#include <algorithm>

#include <fcntl.h>

#include "base/crc32c.hpp"
#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/parallel.hpp"
#include "image/content_reader.hpp"
#include "image/data_runs.hpp"
#include "image/zstd_frame.hpp"

namespace alephc::btrfs {

namespace {

constexpr std::uint64_t kLargestInline = 2048;  ///< the kernel's own limit, max_inline
constexpr std::uint64_t kLargestExtent = 128ULL << 20U;
constexpr std::uint64_t kCompressedPiece = 128U * 1024U;
constexpr std::size_t kWindow = 256;  ///< pieces compressed at once

std::uint64_t whole_sectors(std::uint64_t value) {
  return (value + kSector - 1) / kSector * kSector;
}

std::uint32_t sum_of(std::string_view bytes) {
  if (bytes.size() == kSector) return ~crc32c(~0U, bytes);
  std::string sector(bytes);
  sector.resize(kSector, '\0');
  return ~crc32c(~0U, sector);
}

bool is_inline(const Entry& entry) {
  return entry.size <= kLargestInline;
}

class DataWriter {
 public:
  DataWriter(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place, std::uint64_t start)
      : tree_(tree),
        options_(options),
        place_(place),
        image_(open_file(place.file, O_WRONLY)),
        supply_(start, kLargestDataChunk) {
    contents_.start = start;
    contents_.files.resize(tree.entries().size());
  }

  Contents run() {
    read_inline();
    runs_ = find_data_runs(tree_, options_.jobs);
    if (options_.image.compression == "zstd")
      write_compressed();
    else
      write_plain();
    contents_.end = supply_.next();
    return std::move(contents_);
  }

 private:
  [[nodiscard]] bool has_extents(std::size_t index) const {
    const Entry& entry = tree_.entries()[index];
    return entry.type == EntryType::regular && entry.hard_link.empty() && !is_inline(entry);
  }

  void read_inline() {
    const Listing& entries = tree_.entries();
    parallel_for(entries.size(), options_.jobs, [&](std::size_t i) {
      const Entry& entry = entries[i];
      if (entry.type != EntryType::regular || !entry.hard_link.empty() || !is_inline(entry)) return;
      if (entry.size > 0)
        read_checked(tree_, entry, [&](std::string_view bytes) { contents_.files[i].inline_data += bytes; });
    });
  }

  void add_extent(std::size_t index, const FileExtent& extent) {
    contents_.files[index].extents.push_back(extent);
    contents_.used.push_back(extent.disk);
  }

  void write_plain() {
    std::vector<PlacedFile> files;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      if (!has_extents(i)) continue;
      PlacedFile& file = files.emplace_back(PlacedFile{.entry = i});
      for (const DataRun& run : runs_[i]) place_run(i, run, file);
    }
    contents_.sums.resize((supply_.next() - contents_.start) / kSector);
    write_contents(tree_, files, image_.get(), options_.jobs,
                   [&](std::uint64_t at, std::string_view bytes) { keep_sums(at - place_.offset, bytes); });
  }

  void place_run(std::size_t index, const DataRun& run, PlacedFile& file) {
    for (std::uint64_t at = run.start; at < run.start + run.length;) {
      const std::uint64_t left = run.start + run.length - at;
      const Space disk = supply_.take(whole_sectors(std::min(left, kLargestExtent)));
      add_extent(index, {.offset = at, .length = disk.length, .disk = disk});
      file.runs.push_back({at, std::min(left, disk.length), place_.offset + disk.start});
      at += disk.length;
    }
  }

  void keep_sums(std::uint64_t address, std::string_view bytes) {
    std::size_t index = (address - contents_.start) / kSector;
    for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(kSector, bytes.size())))
      contents_.sums[index++] = sum_of(bytes.substr(0, kSector));
  }

  struct Piece {
    std::size_t entry = 0;
    std::uint64_t offset = 0;  ///< in the file
    std::string bytes{};       ///< in whole sectors
    std::string packed{};      ///< empty: compression gains nothing
  };

  /// One thread reads and checks, all compress, one places and writes.
  void write_compressed() {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      if (!has_extents(i)) continue;
      std::uint64_t start = 0;
      read_checked(tree_, tree_.entries()[i], [&](std::string_view bytes) {
        for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(bytes.size(), kCompressedPiece))) {
          add_pieces(i, start, bytes.substr(0, kCompressedPiece));
          start += kCompressedPiece;
        }
      });
    }
    flush();
  }

  /// The parts of an aligned piece of a file that are not holes.
  void add_pieces(std::size_t index, std::uint64_t start, std::string_view bytes) {
    for (const DataRun& run : runs_[index]) {
      const std::uint64_t from = std::max(start, run.start);
      const std::uint64_t to = std::min(start + bytes.size(), run.start + run.length);
      if (from >= to) continue;
      Piece& piece = pieces_.emplace_back(Piece{.entry = index, .offset = from});
      piece.bytes = bytes.substr(from - start, to - from);
      piece.bytes.resize(whole_sectors(piece.bytes.size()), '\0');
    }
    if (pieces_.size() >= kWindow) flush();
  }

  void flush() {
    parallel_for(pieces_.size(), options_.jobs, [&](std::size_t i) { compress(pieces_[i]); });
    for (const Piece& piece : pieces_) put(piece);
    pieces_.clear();
  }

  void compress(Piece& piece) const {
    std::string packed = zstd_frame(piece.bytes, static_cast<int>(options_.image.level));
    if (whole_sectors(packed.size()) >= piece.bytes.size()) return;
    packed.resize(whole_sectors(packed.size()), '\0');
    piece.packed = std::move(packed);
  }

  void put(const Piece& piece) {
    const bool compressed = !piece.packed.empty();
    const std::string& bytes = compressed ? piece.packed : piece.bytes;
    const Space disk = supply_.take_whole(bytes.size());
    add_extent(
        piece.entry,
        {.offset = piece.offset, .length = piece.bytes.size(), .disk = disk, .compressed = compressed});
    contents_.sums.resize((disk.end() - contents_.start) / kSector);
    keep_sums(disk.start, bytes);
    write_all_at(image_.get(), place_.offset + disk.start, bytes);
  }

  const Tree& tree_;
  const WriteOptions& options_;
  const FilesystemPlace& place_;
  UniqueFd image_;
  SpaceSupply supply_;
  Contents contents_;
  std::vector<std::vector<DataRun>> runs_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::uint64_t SpaceSupply::room() const {
  std::uint64_t room = chunk_length_ - (next_ - start_) % chunk_length_;
  for (const std::uint64_t superblock : kSuperblocks)
    if (next_ < superblock) room = std::min(room, superblock - next_);
  return room;
}

void SpaceSupply::skip_superblocks() {
  for (const std::uint64_t superblock : kSuperblocks)
    if (next_ == superblock) next_ += kStripe;
}

Space SpaceSupply::take(std::uint64_t length) {
  skip_superblocks();
  const Space space{next_, std::min(length, room())};
  next_ += space.length;
  return space;
}

Space SpaceSupply::take_whole(std::uint64_t length) {
  skip_superblocks();
  while (room() < length) {
    next_ += room();
    skip_superblocks();
  }
  next_ += length;
  return {next_ - length, length};
}

Contents write_data(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place,
                    std::uint64_t start) {
  return DataWriter(tree, options, place, start).run();
}

}  // namespace alephc::btrfs
