// SPDX-License-Identifier: MIT
#include "base/files.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

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
    // The holder before us may have removed the file: then our lock is on a file without a name.
    struct stat ours {};
    struct stat named {};
    if (::fstat(fd.get(), &ours) == 0 && ::stat(path.c_str(), &named) == 0 && ours.st_ino == named.st_ino)
      return fd;
  }
}

/// A pipe has nothing for a while, or no writer yet.
void await_input(int fd) {
  for (;;) {
    throw_if_interrupted();
    pollfd event{fd, POLLIN, 0};
    if (::poll(&event, 1, 100) > 0) return;
  }
}

/// expected: the size if it does not change meanwhile.
std::string read_bounded(int fd, const std::filesystem::path& path, bool is_pipe, std::uint64_t expected) {
  std::string text;
  text.reserve(std::min(expected, limits::kTextInMemory));
  std::vector<char> buffer(std::clamp<std::uint64_t>(expected + 1, 4096, 256 * 1024));
  for (;;) {
    throw_if_interrupted();
    if (is_pipe) await_input(fd);
    const std::size_t got = with_context("reading " + path.string(), [&] { return read_some(fd, buffer); });
    if (got == 0) return text;
    text.append(buffer.data(), got);
    if (text.size() > limits::kTextInMemory)
      throw Error(ErrorKind::failed, path.string() + " has more than " + human_size(limits::kTextInMemory));
  }
}

std::string read_opened(const UniqueFd& fd, const std::filesystem::path& path, bool pipes_too) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw system_error("look at " + path.string(), errno);
  if (S_ISDIR(info.st_mode)) throw system_error("read " + path.string(), EISDIR);
  const bool is_pipe = S_ISFIFO(info.st_mode);
  if (!S_ISREG(info.st_mode) && !(pipes_too && is_pipe))
    throw Error(ErrorKind::failed, path.string() + " is not a regular file");
  return read_bounded(fd.get(), path, is_pipe, static_cast<std::uint64_t>(info.st_size));
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  return read_opened(open_file(path, O_RDONLY | O_NONBLOCK), path, false);
}

std::string read_named_file(const std::filesystem::path& path) {
  return read_opened(open_file(path, O_RDONLY | O_NONBLOCK), path, true);
}

std::optional<std::string> read_file_if_exists(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (fd) return read_opened(fd, path, false);
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw system_error("open " + path.string(), errno);
}

std::string read_tail(const std::filesystem::path& path, std::uint64_t most) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return {};
  const auto size = static_cast<std::uint64_t>(info.st_size);
  std::string tail(std::min(size, most), '\0');
  const ssize_t got = read_at(fd.get(), size - tail.size(), tail);
  tail.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return tail;
}

SpaceGuard::SpaceGuard(std::filesystem::path folder) : folder_(std::move(folder)) {}

void SpaceGuard::take(std::uint64_t bytes) {
  constexpr std::uint64_t kBetween = 16ULL << 20U;
  since_ += bytes;
  if (since_ < kBetween) return;
  since_ = 0;
  throw_if_interrupted();
  if (free_space(folder_) < limits::kDiskReserve)
    throw Error(ErrorKind::host, "the disk of " + folder_.string() + " is full",
                "free some space, or put the store elsewhere with --store");
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

namespace {

/// Empties folders with a bounded number of descriptors, however deep they are: what is deeper than a limit is moved up to
/// the first folder, which then is emptied again.
class FolderEmptier {
 public:
  explicit FolderEmptier(int top) : top_(top) {}

  void run() {
    do {
      moved_ = false;
      empty(top_, 0);
    } while (moved_);
  }

  static UniqueFd open(int dir_fd, const std::string& name) {
    UniqueFd dir(::openat(dir_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (dir) return dir;
    if (::fchmodat(dir_fd, name.c_str(), 0700, 0) != 0) throw system_error("open " + name, errno);
    return open_at(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

 private:
  static constexpr int kMostOpen = 100;

  void empty(int folder, int depth) {
    for (const std::string& name : list_folder(folder)) {
      if (::unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) continue;
      if (errno != EISDIR && errno != EPERM) throw system_error("remove " + name, errno);
      if (depth >= kMostOpen) {
        move_up(folder, name);
        continue;
      }
      {
        const UniqueFd child = open(folder, name);
        empty(child.get(), depth + 1);
      }
      if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
        throw system_error("remove " + name, errno);
    }
  }

  void move_up(int folder, const std::string& name) {
    moved_ = true;
    for (;;) {
      const std::string place = ".alephc-removed." + std::to_string(next_++);
      if (::renameat2(folder, name.c_str(), top_, place.c_str(), RENAME_NOREPLACE) == 0) return;
      if (errno != EEXIST) throw system_error("remove " + name, errno);
    }
  }

  int top_;
  bool moved_ = false;
  std::uint64_t next_ = 0;
};

}  // namespace

void remove_tree_at(int dir_fd, const std::string& name) {
  if (::unlinkat(dir_fd, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw system_error("remove " + name, errno);
  {
    const UniqueFd top = FolderEmptier::open(dir_fd, name);
    FolderEmptier(top.get()).run();
  }
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
    throw_if_interrupted();
    const ssize_t put = ::copy_file_range(from_fd, nullptr, to_fd, nullptr, std::size_t{64} << 20U, 0);
    if (put == 0) return;
    if (put > 0 || errno == EINTR) continue;
    if (!kernel_cannot_copy(errno)) throw system_error("copy a file", errno);
    break;
  }
  std::vector<char> buffer(256 * 1024);
  while (const std::size_t got = read_some(from_fd, buffer)) {
    write_all(to_fd, {buffer.data(), got});
    throw_if_interrupted();
  }
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
    throw_if_interrupted();
    ssize_t done = ::copy_file_range(from_fd, &from_offset, to_fd, &to_offset,
                                     std::min<std::uint64_t>(count, 64ULL << 20U), 0);
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
  lock_ = open_file(path_, O_RDONLY | O_DIRECTORY);
  (void)::flock(lock_.get(), LOCK_EX | LOCK_NB);
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const std::exception&) {
    // Left for the store's reaper; a destructor must not throw.
  }
}

void remove_stale_folders(const std::filesystem::path& parent, const std::string& prefix) {
  const UniqueFd folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return;
  for (const std::string& name : list_folder(folder.get())) {
    if (!name.starts_with(prefix)) continue;
    struct stat info {};
    const UniqueFd stale(::openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!stale || ::fstat(stale.get(), &info) != 0 || info.st_uid != ::geteuid() ||
        ::flock(stale.get(), LOCK_EX | LOCK_NB) != 0)
      continue;
    try {
      remove_tree_at(folder.get(), name);
    } catch (const Error&) {
      // It takes space and nothing else.
    }
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
