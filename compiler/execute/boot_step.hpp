// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "base/digest.hpp"
#include "manifest/manifest.hpp"
#include "sandbox/sandbox.hpp"
#include "tree/layer_writer.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// What starts a disk, as data: fstab, GRUB's configuration for the newest kernel in /boot, and what the
/// image's own update-grub goes by later. seed is that of the image, whose UUIDs stand in them. What is
/// missing in the tree is told at once.
void put_boot(const Manifest& manifest, const Digest& seed, const Tree& below, LayerWriter& out);

/// GRUB's core for each firmware, made by the image's own grub-mkimage; modules beside it, as grub-install
/// leaves them. Nothing here looks for devices.
[[nodiscard]] std::vector<SandboxCommand> boot_loader_commands(const Manifest& manifest);

}  // namespace alephc
