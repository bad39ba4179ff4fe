// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace alephc {

/// The text of stdlib-recipes/NAME.toml, embedded when alephc was built.
[[nodiscard]] std::optional<std::string_view> stdlib_part(std::string_view name);
[[nodiscard]] std::vector<std::string> stdlib_names();

/// True for a text that some alephc shipped as that part (stdlib-recipes/history.txt). What a lock says of a part it used
/// is believed on this condition only.
[[nodiscard]] bool is_stdlib_text(std::string_view name, const Digest& text);

}  // namespace alephc
