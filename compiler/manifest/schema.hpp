// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc {

/// JSON Schema (draft 2020-12) of runtime.toml, made from
/// the key table; schemas/runtime.schema.json is this text.
[[nodiscard]] std::string runtime_schema();

}  // namespace alephc
