// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <sys/stat.h>

#include "base/digest.hpp"

namespace alephc {

/// What is known of files since they were written, found again by inode,
/// size and change time: whoever touches such a file later changes the last,
/// and it is looked at as any other. Of one filesystem. Safe for threads.
class KnownContents {
 public:
  /// The file has no extended attributes.
  void add(const struct stat& info, const Digest& content);
  /// Zero if not known.
  [[nodiscard]] Digest find(const struct stat& info) const;

  /// Says that an empty file stands for a device node, which only the machine's own root can make.
  void add_device(const struct stat& info, std::uint32_t major, std::uint32_t minor);
  /// Nothing if the file stands for itself.
  [[nodiscard]] std::optional<std::pair<std::uint32_t, std::uint32_t>> find_device(
      const struct stat& info) const;

 private:
  struct Known {
    off_t size = 0;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    Digest content{};
    std::optional<std::pair<std::uint32_t, std::uint32_t>> device{};  ///< major, minor of a character device
  };
  void put(const struct stat& info, Known known);
  [[nodiscard]] Known untouched(const struct stat& info) const;
  mutable std::mutex mutex_;
  std::unordered_map<ino_t, Known> files_;
};

}  // namespace alephc
