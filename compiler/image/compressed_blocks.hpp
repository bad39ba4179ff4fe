// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/digest.hpp"
#include "manifest/manifest.hpp"

namespace alephc {

/// Blocks compressed ahead of the writer, found by the sha256 of their content. While packages are
/// configured, which keeps one core busy, the others compress what is already unpacked. A block's compressed
/// bytes are a function of its content, the compressor and the level, so an image is the same with and
/// without this.
class CompressedBlocks {
 public:
  explicit CompressedBlocks(const ImageSpec& image) : image_(image) {}
  ~CompressedBlocks() { stop(); }
  CompressedBlocks(const CompressedBlocks&) = delete;
  CompressedBlocks& operator=(const CompressedBlocks&) = delete;

  /// Compresses the whole blocks of the large files below folder in the background, until stop().
  void start(const std::filesystem::path& folder);
  void stop();

  /// The compressed bytes, "" for a block that does not get smaller, nothing if it was not compressed yet.
  [[nodiscard]] const std::string* find(const Digest& content) const;

 private:
  void work(const std::filesystem::path& folder);

  struct HashDigest {
    std::size_t operator()(const Digest& digest) const;
  };

  ImageSpec image_;
  std::unordered_map<Digest, std::string, HashDigest> blocks_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace alephc
