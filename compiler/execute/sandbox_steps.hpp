// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/root_folder.hpp"
#include "execute/run_steps.hpp"

namespace alephc {

/// Where a step works: an upper folder over the tree below, and what it may leave behind.
struct Workplace {
  const Tree& below;
  std::filesystem::path upper{};
  std::filesystem::path scratch{};
  std::filesystem::path log{};
  KnownContents& known;  ///< gets what the step hashes while it writes
  Variation vary{};
};

/// Copies a project path for the sandbox, with modes of ours.
void stage_project_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Takes the mount points below /run/alephc out of an upper folder.
void remove_mount_points(const std::filesystem::path& upper);

/// How a step's commands are run.
[[nodiscard]] SandboxOptions sandbox_options(const Workplace& place);

/// For steps with network: the host's name servers, taken out again afterwards.
class NetworkNames {
 public:
  explicit NetworkNames(const Workplace& place);
  void take_back() const;

 private:
  RootFolder upper_;
  bool present_ = false;
};

void run_install(const Step& step, const StepEnvironment& env, const Workplace& place);
void run_script(const RunSpec& run, const StepEnvironment& env, const Workplace& place);
void run_commands(const std::string& doing, const std::vector<SandboxCommand>& commands,
                  const Workplace& place);

}  // namespace alephc
