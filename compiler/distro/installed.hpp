// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace alephc {

/// A package as the image's own database has it.
struct InstalledPackage {
  std::string name{};
  std::string version{};
  std::string arch{};
  std::vector<std::string> paths{};  ///< without leading slash, where the image has them
};

/// True for the files that read_installed() wants to see.
[[nodiscard]] bool is_package_database(const std::string& path);

/// What an image says is installed, sorted by name, whichever package manager it has; empty without one.
/// texts: the files that is_package_database() named.
[[nodiscard]] std::vector<InstalledPackage> read_installed(const Listing& listing,
                                                           const std::map<std::string, std::string>& texts);

/// The package that ships a path, by path, as the tree's database has it.
[[nodiscard]] std::map<std::string, std::string> read_owners(const Tree& tree);

/// A line that names the package of a path; nothing if none has it.
[[nodiscard]] std::vector<std::string> explain_owner(const Tree& tree, const std::string& path);

}  // namespace alephc
