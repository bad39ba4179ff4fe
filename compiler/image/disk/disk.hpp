// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "image/image_format.hpp"

namespace alephc {

[[nodiscard]] const ImageFormat& disk_format();
void write_disk(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
[[nodiscard]] ImageContent read_disk(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);

[[nodiscard]] const ImageFormat& qcow2_format();
void write_qcow2(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path);
[[nodiscard]] ImageContent read_qcow2(const ByteSource& image, const ReadOptions& options,
                                      ReadBudget& budget);

}  // namespace alephc
