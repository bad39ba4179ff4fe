// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/btrfs/format.hpp"
#include "image/filesystem_image.hpp"

namespace alephc::btrfs {

/// A stretch of the filesystem's address space, which is that of its device too.
struct Space {
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  [[nodiscard]] std::uint64_t end() const { return start + length; }
};

/// Hands out addresses one after the other, around the superblocks, and never across the end of a chunk.
class SpaceSupply {
 public:
  SpaceSupply(std::uint64_t start, std::uint64_t chunk_length)
      : start_(start), chunk_length_(chunk_length), next_(start) {}

  /// Up to so many bytes: what lies before the next barrier.
  Space take(std::uint64_t length);
  /// So many bytes in one piece, behind the next barrier if need be.
  Space take_whole(std::uint64_t length);
  [[nodiscard]] std::uint64_t next() const { return next_; }

 private:
  [[nodiscard]] std::uint64_t room() const;  ///< up to the next barrier
  void skip_superblocks();

  std::uint64_t start_;
  std::uint64_t chunk_length_;
  std::uint64_t next_;
};

struct FileExtent {
  std::uint64_t offset = 0;  ///< in the file
  std::uint64_t length = 0;  ///< of the file, in whole sectors
  Space disk{};
  bool compressed = false;
};

struct FileData {
  std::string inline_data{};  ///< of small files, which have no extents
  std::vector<FileExtent> extents{};
};

/// Contents as they lie on the device, and their checksums.
struct Contents {
  std::vector<FileData> files{};      ///< by entry of the tree
  std::vector<Space> used{};          ///< by address
  std::vector<std::uint32_t> sums{};  ///< of every sector from start on, zero where nothing is
  std::uint64_t start = 0;
  std::uint64_t end = 0;  ///< behind the last extent
};

inline constexpr std::uint64_t kLargestDataChunk = 1ULL << 30U;

/// Writes the contents of all regular files from an address
/// on. The result is the same for any number of jobs.
[[nodiscard]] Contents write_data(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place,
                                  std::uint64_t start);

}  // namespace alephc::btrfs
