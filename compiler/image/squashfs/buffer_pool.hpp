// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace alephc {

/// Memory that is used again and never cleared: the first write to a page costs more than what is done with it here.
/// Safe to use from several threads.
class BufferPool {
 public:
  class Buffer {
   public:
    [[nodiscard]] std::span<char> bytes() const { return {memory_.get(), size_}; }

   private:
    friend class BufferPool;
    std::unique_ptr<char[]> memory_{};
    std::size_t capacity_ = 0;
    std::size_t size_ = 0;
  };

  /// Its contents are whatever they are.
  [[nodiscard]] Buffer take(std::size_t size) {
    Buffer buffer;
    buffer.size_ = size;
    buffer.capacity_ = std::bit_ceil(size);
    {
      const std::lock_guard guard(mutex_);
      auto& spare = spare_[buffer.capacity_];
      if (!spare.empty()) {
        buffer.memory_ = std::move(spare.back());
        spare.pop_back();
      }
    }
    if (!buffer.memory_) buffer.memory_ = std::make_unique_for_overwrite<char[]>(buffer.capacity_);
    return buffer;
  }

  void give_back(Buffer buffer) {
    if (!buffer.memory_) return;
    const std::lock_guard guard(mutex_);
    spare_[buffer.capacity_].push_back(std::move(buffer.memory_));
  }

 private:
  std::mutex mutex_;
  std::map<std::size_t, std::vector<std::unique_ptr<char[]>>> spare_;  ///< by capacity, a power of two
};

}  // namespace alephc
