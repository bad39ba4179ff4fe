// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "language/npm/package_lock.hpp"

namespace alephc {

/// Addresses of a package's tarball: at the registry that this machine's npm is configured for (environment,
/// .npmrc, scopes included), else at the one where it was locked, else at npm's own default, which npm itself
/// is asked for. Throws an Error when none is known.
[[nodiscard]] std::vector<std::string> locate_module(const NpmPackage& package);

/// "NAME@VERSION" → a package without integrity.
[[nodiscard]] NpmPackage parse_npm_package(const std::string& text);

}  // namespace alephc
