// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "tree/tree.hpp"

namespace alephc {

/// Records inode and change time of every path of a layer's folder when the layer enters the store.
void write_stamp(const Listing& listing, const std::filesystem::path& folder,
                 const std::filesystem::path& stamp);

/// Compares a layer's folder with its listing: paths whose inode and change time are as recorded are trusted,
/// all others are looked at and hashed again. Throws an integrity Error that names a difference.
void check_stamp(const Layer& layer, const std::filesystem::path& stamp, unsigned jobs);

}  // namespace alephc
