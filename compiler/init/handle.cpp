// SPDX-License-Identifier: MIT
#include "init/handle.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/errors.hpp"

namespace aleph_init {

void Handle::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == ENOTSOCK) put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      throw os_error("write", errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

std::string read_up_to(int fd, std::size_t limit) {
  std::string out;
  std::array<char, 16384> buffer{};
  while (out.size() < limit) {
    const ssize_t got = ::read(fd, buffer.data(), std::min(buffer.size(), limit - out.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return out;
}

std::string read_file(const std::string& path) {
  const Handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file ? read_up_to(file.get(), SIZE_MAX) : std::string();
}

void write_file(const std::string& path, std::string_view bytes, mode_t mode) {
  const Handle file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!file) throw os_error("write " + path, errno);
  ::fchmod(file.get(), mode);
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw os_error("write " + path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

void make_folders(const std::string& path, mode_t mode) {
  if (path.empty() || path == "/") return;
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) throw os_error("make the folder " + path, errno);
  make_folders(path.substr(0, path.find_last_of('/')), 0755);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) throw os_error("make the folder " + path, errno);
}

long now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

}  // namespace aleph_init
