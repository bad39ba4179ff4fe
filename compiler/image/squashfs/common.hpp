// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <sqfs/error.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/predef.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"

namespace alephc {

/// Debian 12's libsquashfs (1.x) frees objects with sqfs_destroy and inodes with sqfs_free.
struct SqfsDestroy {
  template <typename Object>
  void operator()(Object* object) const {
    sqfs_destroy(object);
  }
};
template <typename Object>
using Sqfs = std::unique_ptr<Object, SqfsDestroy>;

struct SqfsFree {
  void operator()(void* memory) const { sqfs_free(memory); }
};
using SqfsInode = std::unique_ptr<sqfs_inode_generic_t, SqfsFree>;

/// An image being written, for us and for libsquashfs. Our functions throw; libsquashfs gets its codes.
/// What libsquashfs appends block by block is gathered: a write of 8 KiB would wait for the large ones of other threads,
/// since a file has one writer at a time. flush() comes before anything else reads the file.
class ImageFile {
 public:
  explicit ImageFile(const std::filesystem::path& path);

  /// For libsquashfs, as long as this object lives.
  [[nodiscard]] sqfs_file_t* handle() { return &handle_.base; }
  [[nodiscard]] std::uint64_t size() const { return handle_.size; }
  void append(std::string_view bytes);
  /// Something is written there later: what is appended comes behind it.
  void leave_hole(std::uint64_t size);
  /// Into a hole; safe to call from another thread.
  void write(std::uint64_t offset, std::string_view bytes);
  void truncate(std::uint64_t size);
  void flush();

 private:
  struct Handle {
    sqfs_file_t base{};
    int fd = -1;
    std::uint64_t size = 0;
    std::string gathered{};  ///< the last bytes below size that are not on file

    /// Libsquashfs's code.
    int flush();
  };
  static int read_for(sqfs_file_t* file, sqfs_u64 offset, void* buffer, size_t size);
  static int write_for(sqfs_file_t* file, sqfs_u64 offset, const void* buffer, size_t size);
  static int resize_for(sqfs_file_t* file, sqfs_u64 size);

  std::string name_;
  UniqueFd fd_;
  Handle handle_{};
};

[[nodiscard]] std::string sqfs_error_text(int code);

/// Throws when code is one of libsquashfs's errors.
void sqfs_must(int code, const std::string& doing, ErrorKind kind = ErrorKind::failed);

}  // namespace alephc
