// SPDX-License-Identifier: MIT
#include "image/squashfs_common.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace alephc {
namespace {

bool pwrite_all(int fd, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return true;
}

/// 0 at the end of the file, -1 on an error.
ssize_t pread_some(int fd, std::uint64_t offset, char* to, std::size_t size) {
  for (;;) {
    const ssize_t got = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (got >= 0 || errno != EINTR) return got;
  }
}

}  // namespace

ImageFile::ImageFile(const std::filesystem::path& path)
    : name_(path.string()), fd_(open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0644)) {
  handle_.fd = fd_.get();
  handle_.base.read_at = &ImageFile::read_at;
  handle_.base.write_at = &ImageFile::write_at;
  handle_.base.get_size = [](const sqfs_file_t* file) -> sqfs_u64 {
    return reinterpret_cast<const Handle*>(file)->size;
  };
  handle_.base.truncate = [](sqfs_file_t* file, sqfs_u64 size) {
    auto* handle = reinterpret_cast<Handle*>(file);
    if (::ftruncate(handle->fd, static_cast<off_t>(size)) != 0) return static_cast<int>(SQFS_ERROR_IO);
    handle->size = size;
    return 0;
  };
}

int ImageFile::read_at(sqfs_file_t* file, sqfs_u64 offset, void* buffer, size_t size) {
  auto* to = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t got = pread_some(reinterpret_cast<Handle*>(file)->fd, offset, to, size);
    if (got < 0) return SQFS_ERROR_IO;
    if (got == 0) return SQFS_ERROR_OUT_OF_BOUNDS;
    to += got;
    offset += static_cast<sqfs_u64>(got);
    size -= static_cast<size_t>(got);
  }
  return 0;
}

int ImageFile::write_at(sqfs_file_t* file, sqfs_u64 offset, const void* buffer, size_t size) {
  auto* handle = reinterpret_cast<Handle*>(file);
  if (!pwrite_all(handle->fd, offset, {static_cast<const char*>(buffer), size})) return SQFS_ERROR_IO;
  handle->size = std::max<std::uint64_t>(handle->size, offset + size);
  return 0;
}

void ImageFile::append(std::string_view bytes) {
  if (!pwrite_all(fd_.get(), handle_.size, bytes)) throw system_error("write " + name_, errno);
  handle_.size += bytes.size();
}

void ImageFile::append_from(int fd, std::uint64_t offset, std::uint64_t count) {
  while (count > 0) {
    auto from = static_cast<off_t>(offset);
    auto to = static_cast<off_t>(handle_.size);
    ssize_t done = ::copy_file_range(fd, &from, fd_.get(), &to, count, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
      static thread_local std::vector<char> buffer(1U << 20U);
      done = pread_some(fd, offset, buffer.data(), std::min<std::uint64_t>(buffer.size(), count));
      if (done > 0 && !pwrite_all(fd_.get(), handle_.size, {buffer.data(), static_cast<std::size_t>(done)}))
        done = -1;
    }
    if (done < 0) throw system_error("write " + name_, errno);
    if (done == 0) throw Error(ErrorKind::host, "a file of the store became shorter while it was read");
    offset += static_cast<std::uint64_t>(done);
    count -= static_cast<std::uint64_t>(done);
    handle_.size += static_cast<std::uint64_t>(done);
  }
}

void ImageFile::truncate(std::uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) throw system_error("write " + name_, errno);
  handle_.size = size;
}

std::string sqfs_error_text(int code) {
  switch (code) {
    case SQFS_ERROR_ALLOC:
      return "out of memory";
    case SQFS_ERROR_IO:
      return "input/output error (is the disk full?)";
    case SQFS_ERROR_COMPRESSOR:
      return "the compressor failed";
    case SQFS_ERROR_CORRUPTED:
      return "the image is damaged";
    case SQFS_ERROR_UNSUPPORTED:
      return "not supported by libsquashfs";
    case SQFS_ERROR_OVERFLOW:
    case SQFS_ERROR_OUT_OF_BOUNDS:
      return "the image is damaged (a number is out of bounds)";
    case SFQS_ERROR_SUPER_MAGIC:
    case SFQS_ERROR_SUPER_VERSION:
    case SQFS_ERROR_SUPER_BLOCK_SIZE:
      return "not a squashfs image";
    default:
      return "libsquashfs error " + std::to_string(code);
  }
}

void sqfs_must(int code, const std::string& doing, ErrorKind kind) {
  if (code >= 0) return;
  if (code == SQFS_ERROR_IO) kind = ErrorKind::host;
  throw Error(kind, "cannot " + doing + ": " + sqfs_error_text(code));
}

}  // namespace alephc
