// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "image/image_format.hpp"

namespace alephc {

[[nodiscard]] const ImageFormat& folder_format();

void write_folder(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
[[nodiscard]] ImageContent read_folder(const std::filesystem::path& path, const ReadOptions& options);

}  // namespace alephc
