// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "image/image_format.hpp"

namespace alephc {

[[nodiscard]] const ImageFormat& squashfs_format();
void write_squashfs(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
[[nodiscard]] ImageContent read_squashfs(const ByteSource& image, const ReadOptions& options,
                                         ReadBudget& budget);

}  // namespace alephc
