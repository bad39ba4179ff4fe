// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <memory>

#include "distro/distro.hpp"
#include "distro/installed.hpp"
#include "distro/traits.hpp"

namespace alephc::debian {

inline constexpr DistroTraits kTraits{.name = "debian", .kernel_package = "linux-image-cloud-amd64"};
inline constexpr DistroTraits kUbuntuTraits{.name = "ubuntu", .kernel_package = "linux-image-virtual"};
[[nodiscard]] const Distro& distro();

/// Chooses packages with apt's own solver.
[[nodiscard]] Resolution resolve(const ResolveRequest& request, const ToolBox& tools);

/// Unpacks and configures one layer of packages; see install.cpp for the method.
void install(const InstallJob& job, Reporter& reporter);

/// What dpkg, update-alternatives and ldconfig leave behind of their own runs.
inline constexpr std::array kTraces{"var/log/dpkg.log", "var/log/alternatives.log",
                                    "var/cache/ldconfig/aux-cache"};

/// Answers `why` from dpkg's database in the tree.
[[nodiscard]] std::vector<std::string> explain_package(const Manifest& manifest, const Lock& lock,
                                                       const Tree& tree, const std::string& name);
[[nodiscard]] std::vector<std::vector<std::string>> suspects(const Tree& tree,
                                                             const std::vector<std::string>& paths);

[[nodiscard]] std::vector<IndexProof> prove_packages(const Manifest& manifest, const Lock& lock,
                                                     const Mirrors& mirrors, const Keyrings& spare,
                                                     const ToolBox& tools);

/// dpkg's share of distro/installed.hpp.
[[nodiscard]] bool is_database(const std::string& path);
[[nodiscard]] std::vector<InstalledPackage> read_database(const Listing& listing,
                                                          const std::map<std::string, std::string>& texts);

}  // namespace alephc::debian
