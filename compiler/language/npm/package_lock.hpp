// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/reporter.hpp"

namespace alephc {

/// A package that a package-lock.json installs.
struct NpmPackage {
  std::string path{};  ///< "node_modules/a/node_modules/b"
  std::string name{};
  std::string version{};
  std::string resolved{};  ///< its address when it was locked; may be empty
  std::string integrity{};
  std::vector<std::string> bins{};  ///< "NAME=PATH": programs, PATH below the package
};

struct NpmTarget {
  std::string cpu{};   ///< as node has it: "x64", "arm64"
  std::string libc{};  ///< the target's C library, as npm names it
  bool production = true;
};

/// What a package-lock.json (version 2 or 3) installs on a target, sorted by path: what is bundled in another
/// package or optional and for other systems is left out. Throws an Error for what no registry has (links,
/// repositories, local files) and for packages without integrity. (docs.npmjs.com, "package-lock.json")
[[nodiscard]] std::vector<NpmPackage> read_package_lock(const std::string& file, const std::string& text,
                                                        const NpmTarget& target, Reporter* reporter);

}  // namespace alephc
