// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "steps/step.hpp"

namespace alephc {

/// Steps in the order they run; each builds on all before it.
struct BuildGraph {
  std::vector<Step> steps{};
  OutputEpoch epoch{};
};

/// What steps are made of. All of it decides results.
struct Recipe {
  const Manifest& manifest;
  const Lock& lock;
  const std::string& lock_text;
  const OutputEpoch& epoch;
  bool normalize = true;  ///< false for comparisons: the tree stays as the steps leave it
};

/// From here on no step is added or changed. To add a kind of step: a file in steps/, a function here that reads its input
/// from the recipe, and a row in the order of effects.
[[nodiscard]] BuildGraph plan(const Recipe& recipe);
/// The steps below the one that installs Python's packages: they make the tree in which pip chooses those.
[[nodiscard]] BuildGraph plan_below_python(const Recipe& recipe);

}  // namespace alephc
