// SPDX-License-Identifier: MIT
#include "image/byte_source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/stat.h>

#include "base/diagnostic.hpp"

namespace alephc {

std::string ByteSource::bytes(std::uint64_t at, std::uint64_t count) const {
  // Asked before the memory is: a number of an image may be anything.
  if (count > size() || at > size() - count) return {};
  std::string out(count, '\0');
  if (read(at, out) != count) return {};
  return out;
}

FileSource::FileSource(int fd) : fd_(fd), size_(0) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw system_error("look at the image", errno);
  size_ = static_cast<std::uint64_t>(info.st_size);
}

std::size_t FileSource::read(std::uint64_t at, std::span<char> buffer) const {
  if (at >= size_) return 0;
  const ssize_t got = read_at(fd_, at, buffer);
  if (got < 0) throw system_error("read the image", errno);
  return static_cast<std::size_t>(got);
}

std::size_t MemorySource::read(std::uint64_t at, std::span<char> buffer) const {
  if (at >= bytes_.size()) return 0;
  const std::size_t count = std::min<std::uint64_t>(buffer.size(), bytes_.size() - at);
  std::memcpy(buffer.data(), bytes_.data() + at, count);
  return count;
}

PartSource::PartSource(const ByteSource& whole, std::uint64_t start, std::uint64_t length)
    : whole_(whole),
      start_(std::min(start, whole.size())),
      length_(std::min(length, whole.size() - start_)) {}

std::size_t PartSource::read(std::uint64_t at, std::span<char> buffer) const {
  if (at >= length_) return 0;
  return whole_.read(start_ + at, buffer.first(std::min<std::uint64_t>(buffer.size(), length_ - at)));
}

}  // namespace alephc
