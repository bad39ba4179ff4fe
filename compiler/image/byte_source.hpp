// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace alephc {

/// Bytes of an image that a reader asks for by place: a file, a part of another source, the disk inside a qcow2. Safe to
/// use from several threads.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Fills the buffer from `at` on, as far as there are bytes; how many there were. Throws an integrity Error where the
  /// source is damaged.
  [[nodiscard]] virtual std::size_t read(std::uint64_t at, std::span<char> buffer) const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;

  /// Exactly size bytes; nothing if there are fewer.
  [[nodiscard]] std::string bytes(std::uint64_t at, std::uint64_t size) const;
};

class FileSource : public ByteSource {
 public:
  /// The descriptor stays the caller's.
  explicit FileSource(int fd);
  [[nodiscard]] std::size_t read(std::uint64_t at, std::span<char> buffer) const override;
  [[nodiscard]] std::uint64_t size() const override { return size_; }

 private:
  int fd_;
  std::uint64_t size_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] std::size_t read(std::uint64_t at, std::span<char> buffer) const override;
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

/// A partition of a disk: from start, at most length bytes.
class PartSource : public ByteSource {
 public:
  PartSource(const ByteSource& whole, std::uint64_t start, std::uint64_t length);
  [[nodiscard]] std::size_t read(std::uint64_t at, std::span<char> buffer) const override;
  [[nodiscard]] std::uint64_t size() const override { return length_; }

 private:
  const ByteSource& whole_;
  std::uint64_t start_;
  std::uint64_t length_;
};

}  // namespace alephc
