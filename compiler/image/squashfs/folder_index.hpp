// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "image/squashfs/common.hpp"

namespace alephc {

/// A large folder may have an index, by which the kernel looks names up, while a listing goes through the folder itself
/// (squashfs 4.0). Throws an integrity Error where the two could show different things: where an entry of the index does not
/// lead to the part of the folder that it names. `path` is for the message.
void check_folder_index(sqfs_file_t& file, sqfs_compressor_t& compressor, const sqfs_super_t& super,
                        const sqfs_inode_generic_t& folder, const std::string& path);

}  // namespace alephc
