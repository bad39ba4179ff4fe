// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/json.hpp"

namespace alephc {

/// "runtime.toml:12:8: error: …" with the line, a caret, notes and the hint. Ends with a newline.
[[nodiscard]] std::string render_text(const Diagnostic& diagnostic, bool color);

/// {"error": {"exit_code": …, "diagnostics": […]}}, one line, for --json; behind the error the members of found.
[[nodiscard]] std::string render_json(const Error& error, const Json& found = Json::object());

}  // namespace alephc
