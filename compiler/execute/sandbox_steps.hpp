// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

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

void run_install(const Step& step, const StepEnvironment& env, const Workplace& place);
void run_script(const RunSpec& run, const StepEnvironment& env, const Workplace& place);
void run_commands(const std::string& doing, const std::vector<SandboxCommand>& commands,
                  const Workplace& place);

}  // namespace alephc
