// SPDX-License-Identifier: MIT
#pragma once

#include "manifest/manifest.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// Fills the typed tables of a manifest from a merged, shape-checked value.
void fill_manifest(Manifest& manifest, const Value& flat);

}  // namespace alephc
