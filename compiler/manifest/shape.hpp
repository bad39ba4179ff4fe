// SPDX-License-Identifier: MIT
#pragma once

#include "base/diagnostic.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// Checks one table tree against the key table: unknown keys, types, formats, choices.
void check_shape(const Value& value, DiagnosticList& problems);

}  // namespace alephc
