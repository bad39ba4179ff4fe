// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "manifest/manifest.hpp"

namespace alephc {

/// Puts "image.KEY=VALUE" of the command line into a manifest. Throws an Error of kind usage for a key or a value that
/// [image] cannot have.
void apply_overrides(Manifest& manifest, const std::vector<std::string>& overrides);

}  // namespace alephc
