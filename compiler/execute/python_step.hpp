// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "execute/sandbox_steps.hpp"
#include "python/lock_file.hpp"
#include "python/package_index.hpp"

namespace alephc {

/// What pip is to resolve for a tree.
struct PythonRequest {
  const PythonSpec& python;
  const std::filesystem::path& project;  ///< folder that the manifest's files stand in
  const PythonLockFile& lock_file;       ///< empty without one
  const PipSettings& machine;
  std::vector<std::string> preferences{};  ///< "NAME==VERSION": kept where that is possible
};

/// Lets the tree's own Python and pip choose and download: tags and markers are the target's. The step has
/// network. The files are put into the store. Throws an Error of kind failed with pip's words when it cannot.
[[nodiscard]] std::vector<LockedWheel> resolve_wheels(const PythonRequest& request, const Store& store,
                                                      const Workplace& place, Reporter& reporter);

/// Installs the locked files into python.target with the tree's pip, offline, each with its hash, and
/// compiles them.
void install_wheels(const StepEnvironment& env, const Workplace& place);

/// Packages of a distribution that bring pip.
[[nodiscard]] bool is_pip_package(const std::string& name);

}  // namespace alephc
