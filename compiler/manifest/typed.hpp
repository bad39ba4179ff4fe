// SPDX-License-Identifier: MIT
#pragma once

#include "base/diagnostic.hpp"
#include "manifest/manifest.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// Fills the typed tables of a manifest from a merged, shape-checked value.
void fill_manifest(Manifest& manifest, const Value& flat);

/// The rules across keys, as listed in docs/manifest.md.
void check_rules(const Manifest& manifest, const Value& flat, DiagnosticList& problems);

}  // namespace alephc
