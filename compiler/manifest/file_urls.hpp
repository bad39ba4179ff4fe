// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/diagnostic.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// A manifest may name files by file:// only below its project: it may come from a stranger, and must not copy this
/// machine's files into an image. Looks at every value of a key that takes an address. `limit` is the folder that project
/// paths may not leave.
void check_file_urls(const Value& manifest, const std::filesystem::path& limit, DiagnosticList& problems);

}  // namespace alephc
