// SPDX-License-Identifier: MIT
#include "image/squashfs_common.hpp"

namespace alephc {

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
