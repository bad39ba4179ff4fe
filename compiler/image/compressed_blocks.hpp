// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/digest.hpp"
#include "image/block_cache.hpp"
#include "manifest/manifest.hpp"

namespace alephc {

/// Blocks compressed ahead of the writer, found by the sha256 of their content. While packages are
/// configured and later steps run, which keeps one core busy, the others compress what is already unpacked. A
/// block's compressed bytes are a function of its content, the compressor and the level, so an image is the
/// same with and without this.
class CompressedBlocks {
 public:
  /// What cache knows is not compressed again.
  CompressedBlocks(const ImageSpec& image, unsigned threads, const BlockCache& cache)
      : image_(image), thread_count_(threads), cache_(cache) {}
  ~CompressedBlocks() { stop(); }
  CompressedBlocks(const CompressedBlocks&) = delete;
  CompressedBlocks& operator=(const CompressedBlocks&) = delete;

  /// Compresses the whole blocks of the large files below folder in the background, until stop(). The
  /// folder may move meanwhile. Called again for the same folder, it goes on with the files that have come
  /// since.
  void start(const std::filesystem::path& folder);
  void stop();

  /// The compressed bytes, "" for a block that does not get smaller, nothing if it was not compressed yet.
  [[nodiscard]] const std::string* find(const Digest& content) const;

 private:
  void work(const std::filesystem::path& folder);
  void compress_file(int root_fd, const std::string& path);

  ImageSpec image_;
  unsigned thread_count_;
  const BlockCache& cache_;
  std::set<std::string> done_;  ///< paths
  std::mutex mutex_;
  std::unordered_map<Digest, std::string, DigestHash> blocks_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace alephc
