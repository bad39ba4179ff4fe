// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "image/derived_uuid.hpp"
#include "image/image_format.hpp"

namespace alephc {

/// The UUID that a filesystem of this seed has.
[[nodiscard]] Uuid filesystem_uuid(const Digest& seed);
/// What the tree has below this goes to a disk's EFI system partition.
inline constexpr const char* kEspFolder = "boot/efi";
/// The serial number of the EFI system partition's FAT.
[[nodiscard]] std::uint32_t esp_serial(const Digest& seed);

/// The Error of an image.size that holds less than the tree needs.
[[nodiscard]] Error size_too_small(const FilesystemPlace& place, std::uint64_t needed);

}  // namespace alephc
