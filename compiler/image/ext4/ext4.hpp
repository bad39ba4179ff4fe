// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "image/image_format.hpp"

namespace alephc {

[[nodiscard]] const ImageFormat& ext4_format();
void write_ext4(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
[[nodiscard]] ImageContent read_ext4(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);
[[nodiscard]] std::uint64_t write_ext4_at(const Tree& tree, const WriteOptions& options,
                                          const FilesystemPlace& place);
/// The library that shapes its bytes besides our own code, "libext2fs 1.47.0".
[[nodiscard]] std::string ext4_library();

}  // namespace alephc
