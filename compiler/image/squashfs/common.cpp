// SPDX-License-Identifier: MIT
#include "image/squashfs/common.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.hpp"

namespace alephc {
namespace {

constexpr std::size_t kGathered = 1U << 20U;

}  // namespace

ImageFile::ImageFile(const std::filesystem::path& path)
    : name_(path.string()), fd_(open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0644)) {
  handle_.fd = fd_.get();
  handle_.base.read_at = &ImageFile::read_for;
  handle_.base.write_at = &ImageFile::write_for;
  handle_.base.truncate = &ImageFile::resize_for;
  handle_.base.get_size = [](const sqfs_file_t* file) -> sqfs_u64 {
    return reinterpret_cast<const Handle*>(file)->size;
  };
}

int ImageFile::Handle::flush() {
  if (gathered.empty()) return 0;
  if (!write_at(fd, size - gathered.size(), gathered)) return SQFS_ERROR_IO;
  gathered.clear();
  return 0;
}

int ImageFile::read_for(sqfs_file_t* file, sqfs_u64 offset, void* buffer, size_t size) {
  auto* handle = reinterpret_cast<Handle*>(file);
  if (const int code = handle->flush(); code != 0) return code;
  const ssize_t got = read_at(handle->fd, offset, {static_cast<char*>(buffer), size});
  if (got < 0) return SQFS_ERROR_IO;
  return static_cast<size_t>(got) < size ? SQFS_ERROR_OUT_OF_BOUNDS : 0;
}

int ImageFile::write_for(sqfs_file_t* file, sqfs_u64 offset, const void* buffer, size_t size) {
  auto* handle = reinterpret_cast<Handle*>(file);
  const std::string_view bytes(static_cast<const char*>(buffer), size);
  if (offset == handle->size && size < kGathered) {
    handle->gathered += bytes;
    handle->size += size;
    return handle->gathered.size() < kGathered ? 0 : handle->flush();
  }
  if (const int code = handle->flush(); code != 0) return code;
  if (!write_at(handle->fd, offset, bytes)) return SQFS_ERROR_IO;
  handle->size = std::max<std::uint64_t>(handle->size, offset + size);
  return 0;
}

int ImageFile::resize_for(sqfs_file_t* file, sqfs_u64 size) {
  auto* handle = reinterpret_cast<Handle*>(file);
  if (const int code = handle->flush(); code != 0) return code;
  if (::ftruncate(handle->fd, static_cast<off_t>(size)) != 0) return SQFS_ERROR_IO;
  handle->size = size;
  return 0;
}

void ImageFile::append(std::string_view bytes) {
  flush();
  write(size(), bytes);
  handle_.size += bytes.size();
}

void ImageFile::write(std::uint64_t offset, std::string_view bytes) {
  if (!write_at(fd_.get(), offset, bytes)) throw system_error("write " + name_, errno);
}

void ImageFile::truncate(std::uint64_t size) {
  if (resize_for(handle(), size) != 0) throw system_error("write " + name_, errno);
}

void ImageFile::flush() {
  if (handle_.flush() != 0) throw system_error("write " + name_, errno);
}

void ImageFile::leave_hole(std::uint64_t size) {
  flush();
  handle_.size += size;
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
