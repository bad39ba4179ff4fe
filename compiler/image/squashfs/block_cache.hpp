// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/digest.hpp"
#include "base/fd.hpp"

namespace alephc {

/// A data block as a squashfs image holds it.
struct PackedBlock {
  std::uint32_t word = 0;  ///< bytes it takes in the image, with kStoredAsIs; 0: all zeros, takes none
  Digest name{};           ///< block_name(), or FragmentPacking's; zero for zeros
  Digest packed{};         ///< sha256 of the bytes in the image
};
inline constexpr std::uint32_t kStoredAsIs = 1U << 24U;
[[nodiscard]] constexpr std::uint32_t packed_size(std::uint32_t word) {
  return word & (kStoredAsIs - 1);
}

/// What a block of a file is found by: sha256 of its beginning. Hashing it all would cost as much as reading
/// the file; who takes a block by its name compares it.
[[nodiscard]] Digest block_name(std::string_view raw);

/// A block and its bytes as an image holds them; none for zeros.
struct PackedBytes {
  PackedBlock block{};
  std::string bytes{};
};

/// The whole blocks of one file, one after the other.
struct PackedRun {
  Digest content{};          ///< sha256 of the file
  std::uint64_t offset = 0;  ///< in the image
  std::vector<PackedBlock> blocks{};
  Digest tail{};  ///< sha256 of what follows the last whole block; zero if nothing does
};

/// A block that small files and ends of files share.
struct PackedFragment {
  std::uint64_t offset = 0;
  PackedBlock block{};
};

/// Where an image has its compressed data.
struct PackedImage {
  std::vector<PackedRun> runs{};
  std::vector<PackedFragment> fragments{};
  std::vector<Digest> chunks{};  ///< FileHashes::chunks of the image; empty: not known
};

/// A packed image as bytes: settings (see BlockCache), then
/// the numbers in little endian, then a sha256 of it all.
[[nodiscard]] std::string packed_image_bytes(const std::string& settings, const PackedImage& image);
/// nullopt if the bytes are damaged or of other settings.
[[nodiscard]] std::optional<PackedImage> parse_packed_image(const std::string& settings,
                                                            std::string_view bytes);

/// An image of which blocks can be taken over.
struct FormerImage {
  FormerImage(PackedImage where, UniqueFd open) : packed(std::move(where)), file(std::move(open)) {}

  PackedImage packed;
  UniqueFd file;
  std::atomic<std::uint64_t> checked{0};  ///< below this offset every chunk had its recorded hash
};

/// What blocks that follow each other take in an image.
[[nodiscard]] std::size_t packed_size(std::span<const PackedBlock> blocks);

/// Reads blocks that follow each other from offset on; into is as long as they are. False if a block does not have its
/// recorded hash, or is not there.
[[nodiscard]] bool read_packed(const FormerImage& image, std::uint64_t offset,
                               std::span<const PackedBlock> blocks, std::span<char> into);

/// Compressed data of former images, found by content: a block is compressed once and copied from then on.
/// What it says about an image is only believed of bytes that have the recorded hash.
class BlockCache {
 public:
  struct Source {
    PackedImage packed{};
    UniqueFd image{};
  };
  using Load = std::function<std::vector<Source>(const std::string& settings)>;

  /// settings: everything that shapes a block's bytes. load is called when something is first looked up, and returns the
  /// newest image first.
  BlockCache(std::string settings, Load load) : settings_(std::move(settings)), load_(std::move(load)) {}
  ~BlockCache() { stop_checking(); }
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  template <typename Packed>
  struct Found {
    const Packed* packed = nullptr;
    const FormerImage* image = nullptr;
  };
  [[nodiscard]] std::optional<Found<PackedRun>> find_run(const Digest& content) const;
  [[nodiscard]] std::optional<Found<PackedFragment>> find_fragment(const Digest& name) const;
  [[nodiscard]] bool has_block(const Digest& name) const;
  /// A single block, read and checked; its content may be another that begins alike.
  [[nodiscard]] std::optional<PackedBytes> read_block(const Digest& name) const;

  /// Hashes the newest image in idle time, until stop_checking(): when little changes, the steps before the image leave a
  /// core idle for as long as that takes. By chunks, which are of one length and so are hashed side by side, in half of
  /// the time that its blocks would take. Called again, it does nothing.
  void check_ahead();
  void stop_checking();

  /// What was just written, for the images to come.
  void keep(PackedImage made) { made_ = std::move(made); }
  void keep_chunks(std::vector<Digest> chunks) { made_.chunks = std::move(chunks); }
  [[nodiscard]] std::string kept_bytes() const { return packed_image_bytes(settings_, made_); }

 private:
  struct BlockPlace {
    const PackedBlock* block = nullptr;
    std::uint64_t offset = 0;
    const FormerImage* image = nullptr;
  };
  template <typename Value>
  using ByDigest = std::unordered_map<Digest, Value, DigestHash>;

  void load() const;
  void check(FormerImage& image) const;

  std::string settings_;
  Load load_;
  mutable std::once_flag loaded_;
  mutable std::deque<FormerImage> images_;
  mutable ByDigest<Found<PackedRun>> runs_;
  mutable ByDigest<Found<PackedFragment>> fragments_;
  mutable ByDigest<BlockPlace> blocks_;
  PackedImage made_;
  std::atomic<bool> stopping_{false};
  std::thread checking_;
};

}  // namespace alephc
