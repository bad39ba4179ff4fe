// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "image/image_format.hpp"
#include "image/squashfs/block_cache.hpp"
#include "image/squashfs/common.hpp"

namespace alephc {

inline constexpr std::uint32_t kNoFragment = 0xffffffffU;

/// What an inode says of a file's content.
struct FileData {
  std::uint64_t start = 0;             ///< offset of the first stored block in the image
  std::vector<std::uint32_t> words{};  ///< one a block; see PackedBlock::word
  std::uint32_t fragment = kNoFragment;
  std::uint32_t fragment_offset = kNoFragment;
  std::uint64_t zeros = 0;  ///< bytes of blocks that are all zeros and not stored
};

struct ImageData {
  std::vector<FileData> files{};  ///< one an entry of the tree
  PackedImage packed{};           ///< fragments in the order of their numbers
};

/// The contents of a tree at the end of an image, in listing order and as libsquashfs's own block processor lays them out:
/// - A file's whole blocks follow each other; what remains shares a block with other remains, in order, and
///   a new one is begun when the next does not fit. A full one is written behind the blocks of the file
///   whose remains did not fit.
/// - Zeros are not stored. A run of blocks, or remains, that were stored before are not stored again.
/// Contents are read only where neither options.cache nor options.blocks knows their compressed bytes, and
/// checked against the listing then.
class SquashfsData {
 public:
  SquashfsData() = default;
  virtual ~SquashfsData() = default;
  SquashfsData(const SquashfsData&) = delete;
  SquashfsData& operator=(const SquashfsData&) = delete;

  /// To be called once. Everything has its place when this returns, and what follows can be appended to the file; blocks of
  /// former images are still being copied.
  [[nodiscard]] virtual ImageData lay_out() = 0;
  /// Returns when all of it is on file.
  virtual void finish() = 0;
};

/// All three arguments must live as long as the result.
[[nodiscard]] std::unique_ptr<SquashfsData> squashfs_data(const Tree& tree, const WriteOptions& options, ImageFile& file);

}  // namespace alephc
