// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "distro/distro.hpp"
#include "fetch/fetcher.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"

namespace alephc {

/// What a lock changes against the one before.
struct LockChange {
  std::vector<std::string> added{};    ///< "vim 9.0 (3.5 MB)"
  std::vector<std::string> removed{};  ///< "nano 7.2"
  std::vector<std::string> changed{};  ///< "bash 5.2-1 → 5.2-2"
  std::vector<std::string> other{};    ///< "inputs", "archives"
  [[nodiscard]] bool empty() const {
    return added.empty() && removed.empty() && changed.empty() && other.empty();
  }
};
[[nodiscard]] LockChange compare_locks(const Lock* before, const Lock& after);
[[nodiscard]] std::string change_text(const LockChange& change);

/// An archive of the manifest with its addresses; its hash is the caller's to say.
[[nodiscard]] RemoteFile archive_file(const ArchiveSpec& archive);

/// Why a lock no longer answers its manifest; empty when it does.
[[nodiscard]] std::string staleness(const Lock& lock, const Manifest& manifest,
                                    const std::vector<LockedInput>& inputs);

/// Manifest (+ previous lock) → lock. Packages are chosen again only when something that decides them changed
/// or an update is asked for.
[[nodiscard]] Lock resolve_lock(const ResolveRequest& request, const std::vector<LockedInput>& inputs,
                                const ToolBox& tools);

}  // namespace alephc
