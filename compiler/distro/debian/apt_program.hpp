// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distro/debian/index.hpp"
#include "distro/debian/indexes.hpp"
#include "distro/distro.hpp"
#include "tree/tree.hpp"

namespace alephc::debian {

/// apt-get of the release that is locked, so that no apt of this machine decides anything.
struct AptProgram {
  std::string path{"/usr/bin/apt-get"};
  std::string version{};                 ///< "2.6.1"
  std::shared_ptr<const Layer>
      files{};  ///< the root that it runs in, in the sandbox; null: this machine's own
};

/// apt, what of its dependencies are libraries, and dpkg for its tables: by the newest versions of one source. Empty where the
/// source has no apt.
[[nodiscard]] std::vector<const IndexedPackage*> packages_of_apt(const PackageIndex& index,
                                                                 std::uint32_t source, std::string_view arch);

/// Fetches those packages of the release's own suite (the number of its source), and unpacks what runs apt-get into the
/// store; from then on it is there. Throws an Error where the suite has no apt.
[[nodiscard]] AptProgram provide_apt(const PackageIndex& index, const std::vector<VerifiedSource>& sources,
                                     std::uint32_t source, const std::string& arch, const ToolBox& tools);

/// A program of this machine in its place, as the user asks for it: for archives whose apt does not run here.
[[nodiscard]] AptProgram apt_of_machine(const std::string& program);

}  // namespace alephc::debian
