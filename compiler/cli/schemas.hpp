// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace alephc {

/// The text of schemas/KIND.schema.json, embedded when alephc was built; empty if there is none.
[[nodiscard]] std::string_view published_schema(std::string_view kind);

}  // namespace alephc
