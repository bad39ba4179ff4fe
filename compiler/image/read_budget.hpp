// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace alephc {

/// How much an image may say. A reader asks before it takes, so that a small image cannot cost hours or all memory; it also
/// is where a reader notices Ctrl-C. Safe to use from several threads.
class ReadBudget {
 public:
  /// For an image of a size in bytes.
  explicit ReadBudget(std::uint64_t image_size);

  /// One more path. Throws an integrity Error beyond the limit, also for a path that is too long or too deep.
  void take_entry(const std::string& path);
  /// More bytes of contents, compressed or not, holes too.
  void take_content(std::uint64_t bytes);
  /// More bytes of files that are kept as text.
  void take_text(std::uint64_t bytes);

 private:
  const std::uint64_t most_entries_;
  const std::uint64_t most_content_;
  std::atomic<std::uint64_t> entries_{0};
  std::atomic<std::uint64_t> content_{0};
  std::atomic<std::uint64_t> text_{0};
};

}  // namespace alephc
