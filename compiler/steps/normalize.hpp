// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "steps/step.hpp"

namespace alephc {

/// The rules of the output epoch.
struct NormalizeInput {
  static constexpr std::string_view kMembers = "rule";
  std::vector<std::string> rules{};  ///< names, in the order in which they are applied
};

[[nodiscard]] Step normalize_step(StepName name, NormalizeInput input);

/// Takes out or rewrites whatever differs from build to build or must not be shared by all who boot the image, by the rules
/// of an output epoch (docs/output-epoch.md gives the reason of each). Times of paths are left alone: writers set
/// them. What carries a time inside gets that of `out`.
void normalize(const Tree& below, const std::vector<std::string>& rules, LayerWriter& out);

}  // namespace alephc
