// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace alephc {

/// diff_page.html, with /*DATA*/ where the JSON of a diff goes.
[[nodiscard]] std::string_view diff_template();

}  // namespace alephc
