// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>

struct z_stream_s;  // of zlib

namespace alephc {

/// The members of a gzip file one by one (RFC 1952), with the places where they end: ArchiveKind::tar_members
/// has several that are hashed and signed apart. Throws std::runtime_error when the bytes are damaged or cut off.
class GzipMembers {
 public:
  explicit GzipMembers(int fd);
  ~GzipMembers();
  GzipMembers(const GzipMembers&) = delete;
  GzipMembers& operator=(const GzipMembers&) = delete;

  /// Goes to the next member, the one before must have been read to its end; false if there is none.
  bool next();
  /// Decompressed bytes; 0 at the end of the member.
  std::size_t read(std::span<char> buffer);
  /// Place in the file behind the member that was read to its end.
  [[nodiscard]] std::uint64_t end() const { return consumed_; }

 private:
  bool fill();

  int fd_;
  std::unique_ptr<z_stream_s> stream_;
  std::unique_ptr<char[]> input_;
  std::uint64_t consumed_ = 0;
  bool in_member_ = false;
};

}  // namespace alephc
