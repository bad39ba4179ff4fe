// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "image/image_format.hpp"

namespace alephc {

/// Packs a disk into qcow2, version 3 (QEMU, docs/interop/qcow2.txt): clusters of 64 KiB, those of zeros left
/// out, the others compressed as options.image says. The same bytes for any number of jobs.
void pack_qcow2(const std::filesystem::path& disk, const WriteOptions& options,
                const std::filesystem::path& path);

/// Makes an empty qcow2 of a size in bytes over another image, given by its absolute path.
void make_overlay(const std::filesystem::path& backing, std::uint64_t size,
                  const std::filesystem::path& path);

/// The size in bytes of the disk in a qcow2.
[[nodiscard]] std::uint64_t qcow2_disk_size(const std::filesystem::path& path);

/// Unpacks one that stands for itself: without backing file, encryption or external data.
void unpack_qcow2(const std::filesystem::path& path, const std::filesystem::path& disk);

}  // namespace alephc
