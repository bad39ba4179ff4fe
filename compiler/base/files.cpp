// SPDX-License-Identifier: MIT
#include "base/files.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"

namespace alephc {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

UniqueFd lock_file(const std::filesystem::path& path, int operation) {
  for (;;) {
    UniqueFd fd = open_file(path, O_RDWR | O_CREAT, 0600);
    while (::flock(fd.get(), operation) != 0) {
      if (errno == EWOULDBLOCK) return UniqueFd();
      if (errno != EINTR) throw system_error("lock " + path.string(), errno);
      throw_if_interrupted();
    }
    // The holder before us may have removed the file: then our lock is on nobody's file.
    struct stat ours {};
    struct stat named {};
    if (::fstat(fd.get(), &ours) == 0 && ::stat(path.c_str(), &named) == 0 && ours.st_ino == named.st_ino)
      return fd;
  }
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  return with_context("reading " + path.string(), [&] { return read_all(fd.get()); });
}

std::optional<std::string> read_file_if_exists(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw system_error("open " + path.string(), errno);
  }
  return with_context("reading " + path.string(), [&] { return read_all(fd.get()); });
}

void atomic_write(const std::filesystem::path& path, std::string_view data, mode_t mode) {
  std::string temp = path.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(temp.data(), O_CLOEXEC));
  if (!fd) throw system_error("create a file beside " + path.string(), errno);
  try {
    write_all(fd.get(), data);
    if (::fchmod(fd.get(), mode) != 0) throw system_error("chmod " + temp, errno);
    if (::rename(temp.c_str(), path.c_str()) != 0) throw system_error("rename to " + path.string(), errno);
  } catch (...) {
    ::unlink(temp.c_str());
    throw;
  }
}

std::vector<FolderEntry> list_folder_types(int dir_fd) {
  const int copy = ::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) throw system_error("open a folder", errno);
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(copy));
  if (!dir) {
    ::close(copy);
    throw system_error("read a folder", errno);
  }
  std::vector<FolderEntry> entries;
  errno = 0;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type});
  }
  if (errno != 0) throw system_error("read a folder", errno);
  return entries;
}

std::vector<std::string> list_folder(int dir_fd) {
  std::vector<std::string> names;
  for (FolderEntry& entry : list_folder_types(dir_fd)) names.push_back(std::move(entry.name));
  std::sort(names.begin(), names.end());
  return names;
}

void remove_tree_at(int dir_fd, const std::string& name) {
  if (::unlinkat(dir_fd, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw system_error("remove " + name, errno);
  UniqueFd dir(::openat(dir_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dir) {
    if (::fchmodat(dir_fd, name.c_str(), 0700, 0) != 0) throw system_error("open " + name, errno);
    dir = open_at(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }
  for (const std::string& child : list_folder(dir.get())) remove_tree_at(dir.get(), child);
  if (::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    throw system_error("remove " + name, errno);
}

void remove_tree(const std::filesystem::path& path) {
  remove_tree_at(AT_FDCWD, path.string());
}

void make_folders(const std::filesystem::path& path, mode_t mode) {
  if (path.empty() || path == path.root_path()) return;
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) throw system_error("create the folder " + path.string(), errno);
  make_folders(path.parent_path(), 0755);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    throw system_error("create the folder " + path.string(), errno);
}

std::uint64_t free_space(const std::filesystem::path& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) throw system_error("look at the disk of " + path.string(), errno);
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

namespace {

/// Between two filesystems, or on one that does not know how.
bool kernel_cannot_copy(int error_number) {
  return error_number == EXDEV || error_number == EINVAL || error_number == ENOSYS ||
         error_number == EOPNOTSUPP;
}

}  // namespace

void copy_bytes(int from_fd, int to_fd) {
  if (::ioctl(to_fd, FICLONE, from_fd) == 0) return;
  for (;;) {
    const ssize_t put = ::copy_file_range(from_fd, nullptr, to_fd, nullptr, std::size_t{1} << 30U, 0);
    if (put == 0) return;
    if (put > 0 || errno == EINTR) continue;
    if (!kernel_cannot_copy(errno)) throw system_error("copy a file", errno);
    break;
  }
  std::vector<char> buffer(256 * 1024);
  while (const std::size_t got = read_some(from_fd, buffer)) write_all(to_fd, {buffer.data(), got});
}

namespace {

constexpr std::size_t kPiece = 8U << 20U;
constexpr std::uint64_t kFastDisk = 800U << 20U;  // bytes a second

struct FreeAligned {
  void operator()(char* memory) const { std::free(memory); }
};

/// Copies whole pieces past the page cache while the disk keeps up. Returns how much.
std::uint64_t copy_direct(int from_fd, int to_fd) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kPage = 4096;
  const int flags = ::fcntl(to_fd, F_GETFL);
  const std::unique_ptr<char, FreeAligned> buffer(static_cast<char*>(std::aligned_alloc(kPage, kPiece)));
  if (!buffer || flags < 0 || ::fcntl(to_fd, F_SETFL, flags | O_DIRECT) != 0) return 0;
  std::uint64_t done = 0;
  const auto start = Clock::now();
  for (;;) {
    if (read_at(from_fd, done, {buffer.get(), kPiece}) != static_cast<ssize_t>(kPiece)) break;
    if (!write_at(to_fd, done, {buffer.get(), kPiece})) break;  // the rest is tried, and fails, without
    done += kPiece;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (static_cast<double>(done) < seconds * static_cast<double>(kFastDisk)) break;
    throw_if_interrupted();
  }
  if (::fcntl(to_fd, F_SETFL, flags) != 0) throw system_error("copy a file", errno);
  return done;
}

}  // namespace

void copy_large(int from_fd, int to_fd) {
  if (::ioctl(to_fd, FICLONE, from_fd) == 0) return;
  struct stat info {};
  if (::fstat(from_fd, &info) != 0) throw system_error("copy a file", errno);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  constexpr std::uint64_t kSector = 512;
  if (static_cast<std::uint64_t>(info.st_blocks) * kSector < size) {
    if (::ftruncate(to_fd, static_cast<off_t>(size)) != 0) throw system_error("copy a file", errno);
    if (!copy_data(from_fd, 0, to_fd, 0, size))
      throw Error(ErrorKind::failed, "a file that is copied got shorter");
    return;
  }
  const std::uint64_t done = copy_direct(from_fd, to_fd);
  if (!copy_range(from_fd, done, to_fd, done, size - done))
    throw Error(ErrorKind::failed, "a file that is copied got shorter");
}

bool copy_data(int from_fd, std::uint64_t from, int to_fd, std::uint64_t to, std::uint64_t count) {
  const std::uint64_t end = from + count;
  for (std::uint64_t at = from; at < end;) {
    const off_t data = ::lseek(from_fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return true;  // a hole up to the end of the file
    const off_t hole = data < 0 ? -1 : ::lseek(from_fd, data, SEEK_HOLE);
    if (hole < 0) throw system_error("copy a file", errno);
    const auto start = static_cast<std::uint64_t>(data);
    if (start >= end) return true;
    at = std::min(static_cast<std::uint64_t>(hole), end);
    if (!copy_range(from_fd, start, to_fd, to + (start - from), at - start)) return false;
    throw_if_interrupted();
  }
  return true;
}

bool copy_range(int from_fd, std::uint64_t from, int to_fd, std::uint64_t to, std::uint64_t count) {
  std::vector<char> buffer;
  while (count > 0) {
    auto from_offset = static_cast<off_t>(from);
    auto to_offset = static_cast<off_t>(to);
    ssize_t done = ::copy_file_range(from_fd, &from_offset, to_fd, &to_offset, count, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && kernel_cannot_copy(errno)) {
      buffer.resize(1U << 20U);
      done = read_at(from_fd, from, {buffer.data(), std::min<std::uint64_t>(buffer.size(), count)});
      if (done > 0) done = write_at(to_fd, to, {buffer.data(), static_cast<std::size_t>(done)}) ? done : -1;
    }
    if (done < 0) throw system_error("copy a part of a file", errno);
    if (done == 0) return false;
    from += static_cast<std::uint64_t>(done);
    to += static_cast<std::uint64_t>(done);
    count -= static_cast<std::uint64_t>(done);
  }
  return true;
}

TempDir::TempDir(const std::filesystem::path& parent, const std::string& prefix) {
  std::string name = (parent / (prefix + ".XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) throw system_error("create a folder in " + parent.string(), errno);
  path_ = name;
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const std::exception&) {
    // Left for the store's reaper; a destructor must not throw.
  }
}

FileLock FileLock::lock(const std::filesystem::path& path) {
  return FileLock(lock_file(path, LOCK_EX));
}

FileLock FileLock::lock_shared(const std::filesystem::path& path) {
  return FileLock(lock_file(path, LOCK_SH));
}

std::optional<FileLock> FileLock::try_lock(const std::filesystem::path& path) {
  UniqueFd fd = lock_file(path, LOCK_EX | LOCK_NB);
  if (!fd) return std::nullopt;
  return FileLock(std::move(fd));
}

}  // namespace alephc
