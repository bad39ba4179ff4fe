// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "distro/distro.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "pipeline/session.hpp"

namespace alephc {

/// Adds Python and npm packages to a lock whose distribution packages are chosen. Python's are chosen by the
/// tree's own pip, so what the distribution's packages make is built first, up to the step that installs
/// them; what the lock before says stays where nothing that decides it changed.
void lock_language_packages(Lock& lock, const ResolveRequest& request, const Session& session);

/// Where the locked Python and npm packages can be had. Addresses are looked up when they are needed.
[[nodiscard]] std::vector<RemoteFile> language_files(const Manifest& manifest, const Lock& lock,
                                                     const Session& session);

/// Where a lock's Python and npm packages are not those of the project's own lock files, a sentence each.
[[nodiscard]] std::vector<std::string> language_contradictions(const Manifest& manifest, const Lock& lock);

/// The index that a pip package's own pip asks when nothing is configured; empty if it says none.
[[nodiscard]] std::string default_python_index(int package_fd, ArchiveKind kind);

}  // namespace alephc
