// SPDX-License-Identifier: MIT
// A library that is loaded before a program's own: folders list their entries in byte order, because filesystems give them
// in orders of their own; with ALEPHC_BACKWARDS last first, to find out whether a step goes by the order. It has the whole
// of <dirent.h> itself, because a DIR is libc's own affair; every libc's struct dirent is what the kernel's getdents64
// writes. A stream reads the whole folder when it is first asked for a name, and not before: whoever rewinds a stream to
// put the offset of a shared descriptor back, as Python does, finds it there. Not reached: static programs, programs that
// are started without LD_PRELOAD, what libc walks by itself (nftw, fts, scandir without a function to compare), and the
// order of inodes that find and its like choose in a folder of more than 10,000 names.
#include <cerrno>
#include <cstddef>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The tag that <dirent.h> of both libraries gives the opaque type.
struct __dirstream {  // NOLINT: the name is theirs
  int fd;
  char* bytes;  ///< all entries as the kernel gave them
  std::size_t size;
  std::size_t room;
  std::size_t* offsets;  ///< of each entry in bytes
  long count;
  long position;  ///< of the next one to give, from 0
  bool listed;    ///< the entries are here
};

namespace {

constexpr std::size_t kFirstRoom = 64 * 1024;

void* allocate(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void copy(char* to, const char* from, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) to[i] = from[i];
}

void forget(DIR* folder) {
  if (folder->bytes != nullptr) ::munmap(folder->bytes, folder->room);
  if (folder->offsets != nullptr)
    ::munmap(folder->offsets, static_cast<std::size_t>(folder->count + 1) * sizeof(std::size_t));
  folder->bytes = nullptr;
  folder->offsets = nullptr;
  folder->size = folder->room = 0;
  folder->count = 0;
  folder->listed = false;
}

bool grow(DIR* folder) {
  const std::size_t room = folder->room == 0 ? kFirstRoom : folder->room * 2;
  char* bytes = static_cast<char*>(allocate(room));
  if (bytes == nullptr) return false;
  copy(bytes, folder->bytes, folder->size);
  if (folder->bytes != nullptr) ::munmap(folder->bytes, folder->room);
  folder->bytes = bytes;
  folder->room = room;
  return true;
}

dirent* entry_at(const DIR* folder, std::size_t offset) {
  return reinterpret_cast<dirent*>(folder->bytes + offset);
}

/// By name; "a" is before "ab".
bool comes_before(const DIR* folder, std::size_t a, std::size_t b) {
#ifdef ALEPHC_BACKWARDS
  const std::size_t swapped = a;
  a = b;
  b = swapped;
#endif
  const auto* left = reinterpret_cast<const unsigned char*>(entry_at(folder, a)->d_name);
  const auto* right = reinterpret_cast<const unsigned char*>(entry_at(folder, b)->d_name);
  while (*left != 0 && *left == *right) {
    ++left;
    ++right;
  }
  return *left < *right;
}

/// Lets the entry at a place sink until no child of it in the heap comes behind it.
void sink(const DIR* folder, long place, long count) {
  for (;;) {
    long last = place;
    for (long child = 2 * place + 1; child <= 2 * place + 2; ++child)
      if (child < count && comes_before(folder, folder->offsets[last], folder->offsets[child])) last = child;
    if (last == place) return;
    const std::size_t offset = folder->offsets[place];
    folder->offsets[place] = folder->offsets[last];
    folder->offsets[last] = offset;
    place = last;
  }
}

/// A heap sort: it needs neither memory nor the C library.
void sort(const DIR* folder) {
  for (long i = folder->count / 2 - 1; i >= 0; --i) sink(folder, i, folder->count);
  for (long end = folder->count - 1; end > 0; --end) {
    const std::size_t offset = folder->offsets[0];
    folder->offsets[0] = folder->offsets[end];
    folder->offsets[end] = offset;
    sink(folder, 0, end);
  }
}

bool read_all(DIR* folder) {
  forget(folder);
  for (;;) {
    if (folder->room - folder->size < kFirstRoom / 2 && !grow(folder)) return false;
    const long got =
        ::syscall(SYS_getdents64, folder->fd, folder->bytes + folder->size, folder->room - folder->size);
    // A folder that has been removed meanwhile has no entries.
    if (got < 0 && errno != ENOENT) return false;
    if (got <= 0) break;
    folder->size += static_cast<std::size_t>(got);
  }
  for (std::size_t at = 0; at < folder->size; at += entry_at(folder, at)->d_reclen) ++folder->count;
  folder->offsets =
      static_cast<std::size_t*>(allocate(static_cast<std::size_t>(folder->count + 1) * sizeof(std::size_t)));
  if (folder->offsets == nullptr) return false;
  std::size_t at = 0;
  for (long i = 0; i < folder->count; ++i) {
    folder->offsets[i] = at;
    at += entry_at(folder, at)->d_reclen;
  }
  sort(folder);
  folder->listed = true;
  return true;
}

DIR* open_stream(int fd) {
  auto* folder = static_cast<DIR*>(allocate(sizeof(DIR)));
  if (folder != nullptr) folder->fd = fd;
  return folder;
}

dirent* next_entry(DIR* folder) {
  const int problem = errno;
  if (!folder->listed && !read_all(folder)) return nullptr;
  errno = problem;
  if (folder->position >= folder->count) return nullptr;
  dirent* entry = entry_at(folder, folder->offsets[folder->position++]);
  entry->d_off = folder->position;  // what telldir() will say
  return entry;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

DIR* opendir(const char* name) {
  const int fd = ::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return nullptr;
  DIR* folder = open_stream(fd);
  if (folder == nullptr) {
    const int problem = errno;
    ::close(fd);
    errno = problem;
  }
  return folder;
}

DIR* fdopendir(int fd) {
  struct stat info {};
  if (::syscall(SYS_fstat, fd, &info) != 0) return nullptr;  // glibc before 2.33 has no function of that name
  if (S_ISDIR(info.st_mode)) return open_stream(fd);
  errno = ENOTDIR;
  return nullptr;
}

int closedir(DIR* folder) {
  if (folder == nullptr) {
    errno = EINVAL;
    return -1;
  }
  const int fd = folder->fd;
  forget(folder);
  ::munmap(folder, sizeof(DIR));
  return ::close(fd);
}

dirent* readdir(DIR* folder) {
  return next_entry(folder);
}

dirent64* readdir64(DIR* folder) {
  return reinterpret_cast<dirent64*>(next_entry(folder));
}

int readdir_r(DIR* __restrict folder, dirent* __restrict entry, dirent** __restrict result) {
  dirent* found = next_entry(folder);
  *result = found == nullptr ? nullptr : entry;
  if (found != nullptr)
    copy(reinterpret_cast<char*>(entry), reinterpret_cast<const char*>(found), found->d_reclen);
  return 0;
}

int readdir64_r(DIR* __restrict folder, dirent64* __restrict entry, dirent64** __restrict result) {
  return readdir_r(folder, reinterpret_cast<dirent*>(entry), reinterpret_cast<dirent**>(result));
}

void rewinddir(DIR* folder) noexcept {
  ::lseek(folder->fd, 0, SEEK_SET);
  forget(folder);
  folder->position = 0;
}

long telldir(DIR* folder) noexcept {
  return folder->position;
}

void seekdir(DIR* folder, long position) noexcept {
  folder->position = position;
}

int dirfd(DIR* folder) noexcept {
  return folder->fd;
}

}  // extern "C"
#pragma GCC visibility pop
