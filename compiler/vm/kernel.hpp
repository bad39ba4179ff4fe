// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "distro/distro.hpp"

namespace alephc {

/// Files of the store that boot an image in a virtual machine.
struct BootFiles {
  std::filesystem::path kernel{};
  std::filesystem::path initramfs{};
};

/// What a machine is made of decides which modules it needs.
enum class Hardware {
  microvm,   ///< of functions
  instance,  ///< a pc, with a seed on FAT
};

/// Debian's cloud kernel and an initramfs with the modules that an image needs and the program that starts
/// it. Made once and kept in the store; no network after that.
[[nodiscard]] BootFiles boot_files(Hardware hardware, const Mirrors& mirrors, const ToolBox& tools);

}  // namespace alephc
