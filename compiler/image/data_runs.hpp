// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tree/tree.hpp"

namespace alephc {

/// A stretch of a file that a filesystem has to hold. What lies between two is zeros and becomes a hole.
struct DataRun {
  std::uint64_t start = 0;   ///< in bytes, at the beginning of a block
  std::uint64_t length = 0;  ///< ends at the end of a block or of the file
};

inline constexpr std::uint64_t kDataBlock = 4096;
/// Shorter stretches of zeros are data: a hole costs an extent, and a reader a seek.
inline constexpr std::uint64_t kShortestHole = 65536;

/// The data of every regular file, by index of its entry (hard links have none). Decided by the contents
/// alone: whether a file of the store happens to be sparse does not matter.
[[nodiscard]] std::vector<std::vector<DataRun>> find_data_runs(const Tree& tree, unsigned jobs);

/// Where a stretch of a file goes in an image.
struct PlacedRun {
  std::uint64_t start = 0;   ///< in the file
  std::uint64_t length = 0;  ///< in bytes
  std::uint64_t at = 0;      ///< in the image
};
struct PlacedFile {
  std::size_t entry = 0;  ///< index into the tree's listing
  std::vector<PlacedRun> runs{};
};

/// Told of every stretch that is written; at is at the beginning
/// of a block, and no two share a block. From many threads.
using OnWritten = std::function<void(std::uint64_t at, std::string_view bytes)>;

/// Copies contents to their places, in parallel, each checked against the listing. Files in the order of
/// their places are written in few and large pieces.
void write_contents(const Tree& tree, const std::vector<PlacedFile>& files, int image, unsigned jobs,
                    const OnWritten& on_written = {});

}  // namespace alephc
