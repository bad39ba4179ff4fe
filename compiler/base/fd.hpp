// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <sys/stat.h>

namespace alephc {

/// Owns a file descriptor; -1 when empty.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

/// open(2) with O_CLOEXEC; throws an Error that names the path.
[[nodiscard]] UniqueFd open_file(const std::filesystem::path& path, int flags, mode_t mode = 0600);
[[nodiscard]] UniqueFd open_at(int dir_fd, const std::string& path, int flags, mode_t mode = 0600);

/// For reading, and only if it is a regular file: a FIFO or device
/// that stands there does not block and is an Error of kind failed.
[[nodiscard]] UniqueFd open_regular(const std::filesystem::path& path);

/// openat2(2) with O_CLOEXEC; resolve is of RESOLVE_… in
/// linux/openat2.h. Empty, with errno set, where it fails.
[[nodiscard]] UniqueFd open_resolved(int dir_fd, const std::string& path, int flags, std::uint64_t resolve);

/// Target of a symlink.
[[nodiscard]] std::string read_link(int dir_fd, const std::string& name);

/// One read(2), restarted on EINTR; 0 at the end.
[[nodiscard]] std::size_t read_some(int fd, std::span<char> buffer);
/// pread(2) until the buffer is full or the file ends: the bytes read, or -1 with errno set.
[[nodiscard]] ssize_t read_at(int fd, std::uint64_t offset, std::span<char> buffer);
/// pwrite(2) of all of it; false with errno set if that fails.
[[nodiscard]] bool write_at(int fd, std::uint64_t offset, std::string_view data);
void write_all(int fd, std::string_view data);
void write_all_at(int fd, std::uint64_t offset, std::string_view data);
[[nodiscard]] std::string read_all(int fd);

/// A pipe with both ends O_CLOEXEC.
struct Pipe {
  UniqueFd read;
  UniqueFd write;
};
[[nodiscard]] Pipe make_pipe();

}  // namespace alephc
