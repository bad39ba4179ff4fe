// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "distro/distro.hpp"
#include "distro/installed.hpp"
#include "distro/traits.hpp"

namespace alephc::alpine {

inline constexpr DistroTraits kTraits{.name = "alpine",
                                      .libc = "musl",
                                      .pip_package = "py3-pip",
                                      .kernel_package = "linux-virt",
                                      .purl_type = "apk",
                                      .purl_release_prefix = "alpine-"};
[[nodiscard]] const Distro& distro();

/// Chooses packages as apk does; see solver.hpp.
[[nodiscard]] Resolution resolve(const ResolveRequest& request, const ToolBox& tools);

/// Puts one layer of packages in place; see install.cpp for the method.
void install(const InstallJob& job, Reporter& reporter);

/// Answers `why` from apk's database in the tree.
[[nodiscard]] std::vector<std::string> explain_package(const Manifest& manifest, const Tree& tree,
                                                       const std::string& name);
[[nodiscard]] std::vector<std::vector<std::string>> suspects(const Tree& tree,
                                                             const std::vector<std::string>& paths);

/// apk's share of distro/installed.hpp.
[[nodiscard]] bool is_database(const std::string& path);
[[nodiscard]] std::vector<InstalledPackage> read_database(const Listing& listing,
                                                          const std::map<std::string, std::string>& texts);

}  // namespace alephc::alpine
