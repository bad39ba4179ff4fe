// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "image/image_format.hpp"

namespace alephc {

[[nodiscard]] const ImageFormat& btrfs_format();
void write_btrfs(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
[[nodiscard]] ImageContent read_btrfs(const ByteSource& image, const ReadOptions& options,
                                      ReadBudget& budget);
[[nodiscard]] std::uint64_t write_btrfs_at(const Tree& tree, const WriteOptions& options,
                                           const FilesystemPlace& place);

}  // namespace alephc
