// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include <sys/stat.h>

#include "base/digest.hpp"

namespace alephc {

/// Hashes of files taken while they were written, found again by inode, size and change time: whoever touches
/// such a file later changes the last, and it is hashed again. Of one filesystem. Safe for threads.
class KnownContents {
 public:
  void add(const struct stat& info, const Digest& content);
  /// Zero if not known.
  [[nodiscard]] Digest find(const struct stat& info) const;

 private:
  struct Known {
    off_t size = 0;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    Digest content{};
  };
  mutable std::mutex mutex_;
  std::unordered_map<ino_t, Known> files_;
};

}  // namespace alephc
