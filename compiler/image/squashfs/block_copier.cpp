// SPDX-License-Identifier: MIT
#include "image/squashfs/block_copier.hpp"

#include <algorithm>
#include <utility>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/trace.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kPiece = 1U << 20U;  // copied at once: what was read is written while a core's cache has it

}  // namespace

BlockCopier::BlockCopier(ImageFile& file, FileHasher* hasher, MakeAgain make_again)
    : file_(file), hasher_(hasher), make_again_(std::move(make_again)), thread_([this] { work(); }) {}

BlockCopier::~BlockCopier() {
  {
    const std::lock_guard guard(mutex_);
    closing_ = true;
  }
  more_.notify_all();
}

void BlockCopier::copy(KnownBlocks blocks) {
  {
    const std::lock_guard guard(mutex_);
    queue_.push_back(std::move(blocks));
  }
  more_.notify_all();
}

void BlockCopier::settle(std::uint64_t size) {
  const std::lock_guard guard(mutex_);
  laid_out_ = size;
  if (queue_.empty()) tell(size);
}

void BlockCopier::finish() {
  std::unique_lock guard(mutex_);
  done_.wait(guard, [this] { return queue_.empty() || failure_; });
  if (failure_) std::rethrow_exception(failure_);
}

/// Called with the lock, so that what is final only grows.
void BlockCopier::tell(std::uint64_t size) {
  if (hasher_ != nullptr) hasher_->settle(size);
}

void BlockCopier::work() {
  std::unique_lock guard(mutex_);
  for (;;) {
    more_.wait(guard, [this] { return closing_ || !queue_.empty(); });
    if (closing_) return;
    const KnownBlocks& blocks = queue_.front();
    guard.unlock();
    try {
      const TraceSpan span("image", "copy known blocks");
      copy_all(blocks);
    } catch (...) {
      guard.lock();
      failure_ = std::current_exception();
      done_.notify_all();
      return;
    }
    guard.lock();
    queue_.pop_front();
    tell(queue_.empty() ? laid_out_ : queue_.front().to);
    done_.notify_all();
  }
}

void BlockCopier::copy_all(const KnownBlocks& blocks) {
  std::uint64_t done = 0;
  for (std::size_t at = 0; at < blocks.blocks.size();) {
    throw_if_interrupted();
    std::size_t end = at;
    std::uint64_t size = 0;
    while (end < blocks.blocks.size() && size < kPiece) size += packed_size(blocks.blocks[end++].word);
    buffer_.resize(std::max<std::size_t>(buffer_.size(), size));
    const auto piece = std::span(buffer_).first(size);
    if (!read_packed(*blocks.image, blocks.from + done, blocks.blocks.subspan(at, end - at), piece))
      return copy_again(blocks);
    file_.write(blocks.to + done, {piece.data(), piece.size()});
    done += size;
    at = end;
    const std::lock_guard guard(mutex_);
    tell(blocks.to + done);
  }
}

void BlockCopier::copy_again(const KnownBlocks& blocks) {
  std::size_t number = 0;
  std::uint64_t at = blocks.to;
  make_again_(blocks, [&](const PackedBytes& made) {
    if (number == blocks.blocks.size()) return;
    const PackedBlock& known = blocks.blocks[number++];
    check(made.block.word == known.word && made.block.packed == known.packed, "a block is compressed as it was before");
    file_.write(at, made.bytes);
    at += made.bytes.size();
  });
  check(number == blocks.blocks.size(), "a file has as many blocks as before");
}

}  // namespace alephc
