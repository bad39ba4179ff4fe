// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/diagnostic.hpp"

namespace alephc {

/// How an image is to be written: [image] of a manifest.
struct ImageSpec {
  std::string format = "squashfs";
  std::string compression{};  ///< empty: the format's own, see settle_compression()
  std::uint32_t level = 0;    ///< 0: the compressor's default
  std::uint32_t block_size = 131072;
  bool embed_recipe = true;
  std::string subtree{};                ///< of volumes: the folder that the image holds; else empty
  std::optional<std::uint64_t> size{};  ///< in bytes; empty: by what it holds
  std::string label = "root";
  std::string filesystem = "ext4";  ///< of a disk
  std::string subvolume{};
  bool verity = false;
};

/// How a disk starts.
struct BootSpec {
  std::string kernel = "auto";  ///< a package, "auto" or "none"
  bool bios = true;
  bool uefi = true;
  std::string cmdline = "console=tty0 console=ttyS0,115200";
  std::uint64_t esp_size = 64U << 20U;
  SourceSpan kernel_at{};
};

}  // namespace alephc
