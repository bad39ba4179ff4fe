// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/digest.hpp"

namespace alephc {

/// Writes the dm-verity hash tree of an image to a file of its own, as `veritysetup format` does (superblock
/// version 1, sha256, blocks of 4096; kernel documentation, admin-guide/device-mapper/verity). Salt and UUID
/// are derived from the seed. Returns the root hash. The image is a whole number of blocks.
[[nodiscard]] Digest write_verity(const std::filesystem::path& image, const std::filesystem::path& tree,
                                  const Digest& seed, unsigned jobs);

}  // namespace alephc
