// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/cid.hpp"
#include "image/squashfs/block_cache.hpp"
#include "image/squashfs/common.hpp"
#include "image/squashfs/fragments.hpp"

namespace alephc {

/// Blocks that follow each other in a former image and will in the new one.
struct KnownBlocks {
  const FormerImage* image = nullptr;
  std::uint64_t from = 0;  ///< offset in the former image
  std::uint64_t to = 0;    ///< offset in the new one
  std::span<const PackedBlock> blocks{};
  // What they are made of:
  std::size_t file = 0;           ///< whose whole blocks they are the first of
  std::vector<Member> members{};  ///< of a fragment; empty: a file's blocks
};

/// Copies known blocks to their places on a thread of its own, in the order of the calls, and tells the hasher what is final.
/// Each is checked against its recorded hash; what is damaged, or not there any more, is made again.
class BlockCopier {
 public:
  using Take = std::function<void(const PackedBytes&)>;
  /// Makes the blocks from their contents, in order. It may stop behind the last wanted one.
  using MakeAgain = std::function<void(const KnownBlocks& blocks, const Take& take)>;

  /// hasher may be null.
  BlockCopier(ImageFile& file, FileHasher* hasher, MakeAgain make_again);
  ~BlockCopier();
  BlockCopier(const BlockCopier&) = delete;
  BlockCopier& operator=(const BlockCopier&) = delete;

  /// To a place behind that of every call before.
  void copy(KnownBlocks blocks);
  /// Below size the image is final, but for what is still to be copied.
  void settle(std::uint64_t size);
  /// Waits until everything is copied. Throws what copying threw.
  void finish();

 private:
  void work();
  void copy_all(const KnownBlocks& blocks);
  void copy_again(const KnownBlocks& blocks);
  void tell(std::uint64_t size);

  ImageFile& file_;
  FileHasher* hasher_;
  MakeAgain make_again_;
  std::vector<char> buffer_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::condition_variable done_;
  std::deque<KnownBlocks> queue_;  ///< the first one is being copied
  std::uint64_t laid_out_ = 0;
  bool closing_ = false;
  std::exception_ptr failure_{};
  std::jthread thread_;  ///< last, so that it ends first
};

}  // namespace alephc
