// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/fd.hpp"
#include "image/image_format.hpp"

namespace alephc {

[[nodiscard]] const ImageFormat& tar_format();

void write_tar(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
/// A tar, in any compression that libarchive knows.
[[nodiscard]] ImageContent read_archive(const std::filesystem::path& path, const UniqueFd& fd,
                                        const ReadOptions& options);

}  // namespace alephc
