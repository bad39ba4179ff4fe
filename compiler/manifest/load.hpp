// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "manifest/manifest.hpp"

namespace alephc {

/// Loads a runtime.toml (or the folder that has one) with all it extends; a recorded part of the stdlib, as a lock has it,
/// stands in for the one that came with this alephc. Throws an Error with every problem found.
[[nodiscard]] Manifest load_manifest(const std::filesystem::path& path, const std::vector<StdlibPart>& recorded = {});

/// The runtime.toml meant by a command-line PATH. Throws a usage Error if there is none.
[[nodiscard]] std::filesystem::path find_manifest(const std::filesystem::path& path);

}  // namespace alephc
