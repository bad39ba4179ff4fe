// SPDX-License-Identifier: MIT
#include "image/data_runs.hpp"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/parallel.hpp"
#include "image/content_reader.hpp"

namespace alephc {
namespace {

constexpr std::size_t kPiece = 1U << 20U;

/// Gets the blocks of a file in order and joins them to runs.
class RunBuilder {
 public:
  void data(std::uint64_t start, std::uint64_t length) {
    if (!runs_.empty() && start - end_of(runs_.back()) < kShortestHole) {
      runs_.back().length = start + length - runs_.back().start;
    } else {
      runs_.push_back({start, length});
    }
  }
  std::vector<DataRun> finish(std::uint64_t size) {
    // A stretch without a hole in the middle has none at its ends.
    if (!runs_.empty() && runs_.front().start < kShortestHole) runs_.front() = {0, end_of(runs_.front())};
    if (!runs_.empty() && size - end_of(runs_.back()) < kShortestHole)
      runs_.back().length = size - runs_.back().start;
    return std::move(runs_);
  }

 private:
  static std::uint64_t end_of(const DataRun& run) { return run.start + run.length; }
  std::vector<DataRun> runs_;
};

std::vector<DataRun> scan(const Tree& tree, const Entry& entry) {
  if (entry.size < kShortestHole) return {{0, entry.size}};
  const UniqueFd fd = tree.open_content(entry);
  thread_local std::vector<char> buffer(kPiece);
  RunBuilder runs;
  for (std::uint64_t at = 0; at < entry.size;) {
    const off_t data = ::lseek(fd.get(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data > 0) at = std::max(at, static_cast<std::uint64_t>(data) / kDataBlock * kDataBlock);
    const ssize_t got = read_at(fd.get(), at, buffer);
    if (got < 0) throw system_error("read /" + entry.path, errno);
    if (got == 0) break;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); i += kDataBlock) {
      const std::size_t size = std::min<std::size_t>(kDataBlock, static_cast<std::size_t>(got) - i);
      if (!is_zeros({&buffer[i], size})) runs.data(at + i, size);
    }
    at += static_cast<std::uint64_t>(got);
  }
  return runs.finish(entry.size);
}

/// Part of the files whose places follow each other.
struct Batch {
  std::size_t first = 0;
  std::size_t count = 0;
};

/// True for a file that is one run, without holes.
bool is_whole(const Tree& tree, const PlacedFile& file) {
  return file.runs.size() == 1 && file.runs[0].length == tree.entries()[file.entry].size;
}

std::vector<Batch> batches_of(const Tree& tree, const std::vector<PlacedFile>& files) {
  std::vector<Batch> batches;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // of the batch so far; 0 if nothing can be added to it
  for (std::size_t i = 0; i < files.size(); ++i) {
    const bool whole = is_whole(tree, files[i]);
    const PlacedRun run = whole ? files[i].runs[0] : PlacedRun{};
    const bool joins = whole && end != 0 && run.at >= end && run.at - end < kDataBlock &&
                       run.at + run.length - begin <= kPiece;
    if (!joins) {
      batches.push_back({.first = i});
      begin = run.at;
    }
    ++batches.back().count;
    end = whole ? run.at + run.length : 0;
  }
  return batches;
}

class ContentWriter {
 public:
  ContentWriter(const Tree& tree, const std::vector<PlacedFile>& files, int image,
                const OnWritten& on_written)
      : tree_(tree), files_(files), image_(image), on_written_(on_written) {}

  void write(const Batch& batch) const {
    if (batch.count == 1) return write_one(files_[batch.first]);
    const std::uint64_t begin = files_[batch.first].runs.front().at;
    std::string bytes;
    for (std::size_t i = batch.first; i < batch.first + batch.count; ++i) {
      bytes.resize(files_[i].runs.front().at - begin, '\0');
      read_checked(tree_, tree_.entries()[files_[i].entry], [&](std::string_view piece) { bytes += piece; });
    }
    put(begin, bytes);
  }

 private:
  void put(std::uint64_t at, std::string_view bytes) const {
    write_all_at(image_, at, bytes);
    if (on_written_) on_written_(at, bytes);
  }

  void write_one(const PlacedFile& file) const {
    std::uint64_t start = 0;
    read_checked(tree_, tree_.entries()[file.entry], [&](std::string_view piece) {
      write_piece(file.runs, start, piece);
      start += piece.size();
    });
  }

  /// The parts of a piece of a file that belong to runs.
  void write_piece(const std::vector<PlacedRun>& runs, std::uint64_t start, std::string_view piece) const {
    auto run = std::upper_bound(runs.begin(), runs.end(), start,
                                [](std::uint64_t at, const PlacedRun& r) { return at < r.start + r.length; });
    for (; run != runs.end() && run->start < start + piece.size(); ++run) {
      const std::uint64_t from = std::max(start, run->start);
      const std::uint64_t to = std::min(start + piece.size(), run->start + run->length);
      put(run->at + (from - run->start), piece.substr(from - start, to - from));
    }
  }

  const Tree& tree_;
  const std::vector<PlacedFile>& files_;
  int image_;
  const OnWritten& on_written_;
};

}  // namespace

std::vector<std::vector<DataRun>> find_data_runs(const Tree& tree, unsigned jobs) {
  const Listing& entries = tree.entries();
  std::vector<std::vector<DataRun>> runs(entries.size());
  parallel_for(entries.size(), jobs, [&](std::size_t i) {
    const Entry& entry = entries[i];
    if (entry.type == EntryType::regular && entry.hard_link.empty() && entry.size > 0)
      runs[i] = scan(tree, entry);
  });
  return runs;
}

void write_contents(const Tree& tree, const std::vector<PlacedFile>& files, int image, unsigned jobs,
                    const OnWritten& on_written) {
  const std::vector<Batch> batches = batches_of(tree, files);
  const ContentWriter writer(tree, files, image, on_written);
  parallel_for(batches.size(), jobs, [&](std::size_t i) { writer.write(batches[i]); });
}

}  // namespace alephc
