// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "image/derived_uuid.hpp"
#include "image/image_format.hpp"

namespace alephc {

/// Where in a file a filesystem goes.
struct FilesystemPlace {
  std::filesystem::path file{};         ///< exists, and is all zeros where the filesystem goes
  std::uint64_t offset = 0;             ///< in bytes, a multiple of 1 MiB
  std::optional<std::uint64_t> size{};  ///< empty: by formula
  std::uint64_t around = 0;             ///< what a disk has besides it, for messages
};

/// A filesystem that can be an image or a partition of one. To add one: a file with a writer, a row here and
/// one in the table of formats.
struct FilesystemKind {
  const char* name;
  /// Returns its size in bytes, a multiple of 1 MiB if it was not given; the file reaches to its end.
  std::uint64_t (*write)(const Tree& tree, const WriteOptions& options, const FilesystemPlace& place);
};
[[nodiscard]] const FilesystemKind& filesystem_kind(const std::string& name);
[[nodiscard]] bool is_filesystem(const std::string& format);

/// The UUID that a filesystem of this seed has.
[[nodiscard]] Uuid filesystem_uuid(const Digest& seed);
/// What the tree has below this goes to a disk's EFI system partition.
inline constexpr const char* kEspFolder = "boot/efi";
/// The serial number of the EFI system partition's FAT.
[[nodiscard]] std::uint32_t esp_serial(const Digest& seed);

[[nodiscard]] std::uint64_t write_ext4_at(const Tree& tree, const WriteOptions& options,
                                          const FilesystemPlace& place);
[[nodiscard]] std::uint64_t write_btrfs_at(const Tree& tree, const WriteOptions& options,
                                           const FilesystemPlace& place);

/// The library that shapes ext4's bytes besides our own code, "libext2fs 1.47.0".
[[nodiscard]] std::string ext4_library();

/// The Error of an image.size that holds less than the tree needs.
[[nodiscard]] Error size_too_small(const FilesystemPlace& place, std::uint64_t needed);

}  // namespace alephc
