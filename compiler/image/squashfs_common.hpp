// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include <sqfs/error.h>
#include <sqfs/inode.h>
#include <sqfs/predef.h>

#include "base/diagnostic.hpp"

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

[[nodiscard]] std::string sqfs_error_text(int code);

/// Throws when code is one of libsquashfs's errors.
void sqfs_must(int code, const std::string& doing, ErrorKind kind = ErrorKind::failed);

}  // namespace alephc
