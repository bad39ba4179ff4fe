// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

/// packages.exclude_paths: dpkg's globs, the last that matches decides; copyright files stay unless named.
struct ExcludeInput {
  static constexpr std::string_view kMembers = "glob";
  std::vector<std::string> globs{};
};

[[nodiscard]] Step exclude_step(StepName name, ExcludeInput input);

}  // namespace alephc
