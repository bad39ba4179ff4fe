// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "pipeline/session.hpp"
#include "resolve/resolve.hpp"

namespace alephc {

/// A manifest with the lock that answers it.
struct LockedRuntime {
  Manifest manifest{};
  Lock lock{};
  std::string lock_text{};
};

/// What may be done about a lock that is stale or missing. To resolve runs code of the project and of its packages, so
/// only commands that say so do it.
enum class StaleLock { resolve_and_write, refuse };

/// Loads manifest and lock; a lock is resolved minimally. Throws an Error of kind failed for a stale lock that is
/// refused, of kind integrity for one that no 'alephc lock' can have made of this manifest.
[[nodiscard]] LockedRuntime load_locked(const std::filesystem::path& path, StaleLock policy,
                                        const Session& session);

/// Manifest and lock as they are committed. Nothing is resolved and nothing written; a stale lock is an Error.
[[nodiscard]] inline LockedRuntime open_committed(const std::filesystem::path& path, const Session& session) {
  return load_locked(path, StaleLock::refuse, session);
}

struct LockRequest {
  std::filesystem::path path{};
  bool update_all = false;
  std::set<std::string> update_packages{};
  std::string date{};
  bool check = false;     ///< write nothing; stale is an Error
  bool outdated = false;  ///< write nothing; say what an update would change
};
struct LockOutcome {
  std::filesystem::path file{};
  bool written = false;
  LockChange change{};
};
LockOutcome lock_runtime(const LockRequest& request, const Session& session);

}  // namespace alephc
