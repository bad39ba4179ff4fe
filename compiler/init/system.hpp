// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "init/configuration.hpp"

namespace aleph_init {

/// The first thing PID 1 does: /proc, a writable overlay in memory over the read-only root (which stays
/// visible at /rom), /dev, /sys, /run and what belongs in them. Throws SetupError.
void make_root_writable();

void set_hostname(const std::string& name);

/// Mounts a volume, making its mount point: squashfs read-only, else ext4 or btrfs. Throws SetupError.
void mount_volume(const Volume& volume);
/// In reverse order; what is busy is detached.
void unmount_volumes(const std::vector<Volume>& volumes);

/// ~/.ssh/authorized_keys of root.
void write_authorized_keys(const std::vector<std::string>& keys, const std::string& root);

/// Ends the VM: the only thing that ends a Firecracker process. Does not return.
[[noreturn]] void restart_machine();

}  // namespace aleph_init
