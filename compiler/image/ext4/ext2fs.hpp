// SPDX-License-Identifier: MIT
#pragma once

// libext2fs is C of another age: its headers neither declare themselves extern "C" nor fit our warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
extern "C" {
#include <ext2fs/ext2fs.h>
}
#pragma GCC diagnostic pop

#include <memory>
#include <string>

#include "base/diagnostic.hpp"

namespace alephc {

struct CloseFilesystem {
  void operator()(struct_ext2_filsys* filesystem) const { ::ext2fs_free(filesystem); }
};
using Ext2Filesystem = std::unique_ptr<struct_ext2_filsys, CloseFilesystem>;

struct CloseXattrs {
  void operator()(ext2_xattr_handle* handle) const { ::ext2fs_xattrs_close(&handle); }
};
using Ext2Xattrs = std::unique_ptr<ext2_xattr_handle, CloseXattrs>;

}  // namespace alephc
