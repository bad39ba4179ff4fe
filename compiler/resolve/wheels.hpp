// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "language/python/lock_file.hpp"
#include "language/python/package_index.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "steps/workplace.hpp"

namespace alephc {

/// What pip is to resolve for a tree.
struct PythonRequest {
  const Manifest& manifest;
  const PythonLockFile& lock_file;       ///< empty without one
  std::vector<std::string> indexes{};  ///< addresses, the first is asked first; may hold credentials
  std::vector<std::string> preferences{};  ///< "NAME==VERSION": kept where that is possible
};

/// Lets the tree's own Python and pip choose and download: tags and markers are the target's. The step sees the indexes
/// and nothing else of the network, and no credentials. The files are put into the store. Throws an Error of kind failed with pip's words when it cannot.
[[nodiscard]] std::vector<LockedWheel> resolve_wheels(const PythonRequest& request, const Store& store,
                                                      const SandboxPlace& place, Reporter& reporter);

}  // namespace alephc
