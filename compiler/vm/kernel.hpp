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

/// Debian's cloud kernel and an initramfs with the modules that an image needs and the program that starts
/// it. Made once and kept in the store; no network after that.
[[nodiscard]] BootFiles boot_files(const Mirrors& mirrors, const ToolBox& tools);

}  // namespace alephc
