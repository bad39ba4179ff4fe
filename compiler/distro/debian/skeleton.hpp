// SPDX-License-Identifier: MIT
#pragma once

#include "base/root_folder.hpp"
#include "distro/debian/database.hpp"
#include "distro/distro.hpp"

namespace alephc::debian {

/// What debootstrap lays down before the first package: folders, a merged /usr, device nodes, dpkg's empty database.
void make_skeleton(const InstallJob& job, const RootFolder& root, const Database& database);

}  // namespace alephc::debian
