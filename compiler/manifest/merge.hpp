// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "manifest/part.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// Merges parts in order by the rules of docs/manifest.md. name, version, descriptions and [expect] come from
/// the last part (the file itself) only; 'extends' is gone.
[[nodiscard]] Value merge_parts(const std::vector<Part>& parts, DiagnosticList& problems);

/// Canonical TOML of a merged manifest or of one part: tables and keys in the order of the key table. Without
/// [expect] and the descriptive keys; runtime.extends is kept where it is present. prefix ("manifest.") goes
/// before table names.
[[nodiscard]] std::string canonical_text(const Value& value, const std::string& prefix = {});

/// "init.plugin": the member of the table "init", null if either is absent.
[[nodiscard]] const Value* find_table(const Value& value, std::string_view path);

}  // namespace alephc
