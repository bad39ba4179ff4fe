// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>

namespace aleph_init {

/// Owns a descriptor.
class Handle {
 public:
  Handle() = default;
  explicit Handle(int fd) : fd_(fd) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

/// All of it, or a SetupError. A peer that is gone is an error, never a signal.
void write_all(int fd, std::string_view bytes);
/// Everything up to the end or limit bytes; nothing more is read then.
[[nodiscard]] std::string read_up_to(int fd, std::size_t limit);

[[nodiscard]] std::string read_file(const std::string& path);  ///< "" if it cannot be read
void write_file(const std::string& path, std::string_view bytes, mode_t mode);
void make_folders(const std::string& path, mode_t mode = 0755);

/// Milliseconds of the monotonic clock.
[[nodiscard]] long now_ms();

}  // namespace aleph_init
