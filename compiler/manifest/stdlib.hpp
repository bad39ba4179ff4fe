// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alephc {

/// The text of stdlib-recipes/NAME.toml, embedded when alephc was built.
[[nodiscard]] std::optional<std::string_view> stdlib_part(std::string_view name);
[[nodiscard]] std::vector<std::string> stdlib_names();

}  // namespace alephc
