// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/digest.hpp"
#include "image/image_spec.hpp"
#include "image/squashfs/block_cache.hpp"
#include "image/squashfs/compressor.hpp"

namespace alephc {

/// Data compressed ahead of the writer, found by what is in it. While packages are
/// configured and later steps run, which keeps one core busy, the others compress what
/// is already unpacked. A block's compressed bytes are a function of its content, the
/// compressor and the level, so an image is the same with and without this.
class CompressedBlocks {
 public:
  /// The whole blocks of a file.
  struct Run {
    std::vector<PackedBytes> blocks{};
    Digest tail{};  ///< sha256 of what follows the last whole block; zero if nothing does
  };

  /// What cache knows is not compressed again.
  CompressedBlocks(const ImageSpec& image, unsigned threads, const BlockCache& cache)
      : image_(image), thread_count_(threads), cache_(cache) {}
  ~CompressedBlocks() { stop(); }
  CompressedBlocks(const CompressedBlocks&) = delete;
  CompressedBlocks& operator=(const CompressedBlocks&) = delete;

  /// Compresses the whole blocks of the large files below folder in the background, until stop(). The folder
  /// may move meanwhile. Called again for the same folder, it goes on with the files that have come since.
  /// Where the folder is nearly the whole tree, what small files will share is compressed too, as far as can
  /// be told: a file that comes or goes later moves its neighbours.
  void start(const std::filesystem::path& folder, bool nearly_whole);
  void stop();

  /// By the file's sha256.
  [[nodiscard]] const Run* find_run(const Digest& content) const;
  /// By its name, see FragmentPacking.
  [[nodiscard]] const PackedBytes* find_fragment(const Digest& name) const;

 private:
  struct File {
    std::string path{};
    std::uint64_t size = 0;
  };

  void work(const std::filesystem::path& folder, bool nearly_whole);
  void find_files(int folder_fd, const std::string& path, std::vector<File>& files) const;
  void compress_file(int root_fd, const std::string& path, sqfs_compressor_t& compressor);
  std::optional<Digest> compress_run(int fd, sqfs_compressor_t& compressor, Run& run);
  void set_done(const std::string& path);
  void compress_fragments(int root_fd, const std::vector<File>& files);
  [[nodiscard]] bool take_room(std::uint64_t bytes);

  ImageSpec image_;
  unsigned thread_count_;
  const BlockCache& cache_;
  std::set<std::string> done_;  ///< paths
  std::mutex mutex_;
  std::unordered_map<Digest, Run, DigestHash> runs_;
  std::unordered_map<Digest, PackedBytes, DigestHash> fragments_;
  std::atomic<std::uint64_t> kept_{0};  ///< bytes of all of them
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace alephc
