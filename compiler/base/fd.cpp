// SPDX-License-Identifier: MIT
#include "base/fd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/diagnostic.hpp"

namespace alephc {

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

UniqueFd open_file(const std::filesystem::path& path, int flags, mode_t mode) {
  return open_at(AT_FDCWD, path.string(), flags, mode);
}

UniqueFd open_at(int dir_fd, const std::string& path, int flags, mode_t mode) {
  const int fd = ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) throw system_error("open " + path, errno);
  return UniqueFd(fd);
}

UniqueFd open_regular(const std::filesystem::path& path) {
  UniqueFd fd = open_file(path, O_RDONLY | O_NONBLOCK);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw system_error("look at " + path.string(), errno);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorKind::failed, path.string() + " is not a regular file");
  return fd;
}

UniqueFd open_resolved(int dir_fd, const std::string& path, int flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = resolve;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how)));
}

std::string read_link(int dir_fd, const std::string& name) {
  std::string target(PATH_MAX, '\0');
  const ssize_t got = ::readlinkat(dir_fd, name.c_str(), target.data(), target.size());
  if (got < 0) throw system_error("read the link " + name, errno);
  target.resize(static_cast<std::size_t>(got));
  return target;
}

std::size_t read_some(int fd, std::span<char> buffer) {
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) throw system_error("read", errno);
  }
}

ssize_t read_at(int fd, std::uint64_t offset, std::span<char> buffer) {
  std::size_t have = 0;
  while (have < buffer.size()) {
    const ssize_t got =
        ::pread(fd, buffer.data() + have, buffer.size() - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(have);
}

bool write_at(int fd, std::uint64_t offset, std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    data.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return true;
}

void write_all_at(int fd, std::uint64_t offset, std::string_view data) {
  if (!write_at(fd, offset, data)) throw system_error("write", errno);
}

void write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = ::write(fd, data.data(), data.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      throw system_error("write", errno);
    }
    data.remove_prefix(static_cast<std::size_t>(put));
  }
}

std::string read_all(int fd) {
  struct stat info {};
  const bool has_size = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  // One more than there should be, so that the end is seen without growing. Files of /proc have no size and some text.
  constexpr std::size_t kLeast = 4096;
  std::string out(std::max(kLeast, has_size ? static_cast<std::size_t>(info.st_size) + 1 : 16 * kLeast),
                  '\0');
  std::size_t have = 0;
  while (const std::size_t got = read_some(fd, std::span(out).subspan(have))) {
    have += got;
    if (have == out.size()) out.resize(2 * out.size());
  }
  out.resize(have);
  return out;
}

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("make a pipe", errno);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace alephc
