// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

/// image.embed_recipe: the recipe as it goes into the image. A step of its own, since the lock changes with every file of
/// the project and the normalized tree does not.
struct EmbedInput {
  static constexpr std::string_view kMembers = "manifest lock";
  LargeText manifest{};
  LargeText lock{};
};

[[nodiscard]] Step embed_step(StepName name, EmbedInput input);

}  // namespace alephc
