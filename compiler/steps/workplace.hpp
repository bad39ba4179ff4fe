// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/root_folder.hpp"
#include "steps/step.hpp"

namespace alephc {

/// An upper folder with the attributes of the tree's root and, as real groups, every hard-link group below:
/// the kernel would split a group when one of its paths is changed.
void prepare_upper(const Tree& tree, const std::filesystem::path& upper);
/// Removes what a step put there, and prepares the folder again.
void empty_upper(const Tree& tree, const std::filesystem::path& upper);

/// Takes the mount points below /run/alephc out of an upper folder.
void remove_mount_points(const std::filesystem::path& upper);

/// How a step's commands are run.
[[nodiscard]] SandboxOptions sandbox_options(const SandboxPlace& place);

/// For steps with network: the name server that they reach, taken out again afterwards.
class NetworkNames {
 public:
  explicit NetworkNames(const SandboxPlace& place);
  void take_back() const;

 private:
  RootFolder upper_;
  bool present_ = false;
};

}  // namespace alephc
