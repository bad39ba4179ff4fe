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
#include <vector>

#include "base/digest.hpp"
#include "image/block_cache.hpp"
#include "image/squashfs_compressor.hpp"
#include "manifest/manifest.hpp"

namespace alephc {

/// Blocks compressed ahead of the writer, found by what is in them. While packages are configured and later
/// steps run, which keeps one core busy, the others compress what is already unpacked. A block's compressed
/// bytes are a function of its content, the compressor and the level, so an image is the same with and
/// without this.
class CompressedBlocks {
 public:
  /// The whole blocks of a file: their contents' sha256.
  struct Run {
    std::vector<Digest> blocks{};
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

  /// By the file's sha256. Every block that it names can be found.
  [[nodiscard]] const Run* find_run(const Digest& content) const;
  /// By the content's sha256, or by a fragment's name.
  [[nodiscard]] const PackedBytes* find(const Digest& name) const;

 private:
  struct File {
    std::string path{};
    std::uint64_t size = 0;
  };

  void work(const std::filesystem::path& folder, bool nearly_whole);
  void find_files(int folder_fd, const std::string& path, std::vector<File>& files) const;
  void compress_file(int root_fd, const std::string& path, sqfs_compressor_t& compressor);
  void set_done(const std::string& path);
  bool compress_block(const Digest& content, std::string_view raw, sqfs_compressor_t& compressor);
  void compress_fragments(int root_fd, const std::vector<File>& files);
  [[nodiscard]] bool has(const Digest& name);
  bool keep(const Digest& name, PackedBytes packed);  ///< false where there is no room

  ImageSpec image_;
  unsigned thread_count_;
  const BlockCache& cache_;
  std::set<std::string> done_;  ///< paths
  std::mutex mutex_;
  std::unordered_map<Digest, PackedBytes, DigestHash> blocks_;
  std::unordered_map<Digest, Run, DigestHash> runs_;
  std::uint64_t kept_ = 0;  ///< bytes in blocks_
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace alephc
