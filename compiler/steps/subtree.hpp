// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

/// One folder of the tree as a tree of its own, for volumes.
struct SubtreeInput {
  static constexpr std::string_view kMembers = "folder";
  std::string folder{};  ///< absolute
};

[[nodiscard]] Step subtree_step(StepName name, SubtreeInput input);

}  // namespace alephc
