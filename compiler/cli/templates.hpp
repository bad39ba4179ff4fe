// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace alephc {

/// Names of the recipes that this alephc holds, sorted.
[[nodiscard]] std::vector<std::string> template_names();

/// Files of a recipe: path in its folder → text; runtime.toml
/// is always there. Empty if there is no such recipe.
[[nodiscard]] std::vector<std::pair<std::string, std::string_view>> template_files(std::string_view name);

}  // namespace alephc
