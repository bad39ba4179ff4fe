// SPDX-License-Identifier: MIT
#pragma once

#include "base/diagnostic.hpp"
#include "manifest/manifest.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// The rules across keys, as listed in docs/manifest.md.
void check_manifest(const Manifest& manifest, const Value& flat, DiagnosticList& problems);

}  // namespace alephc
