// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "distro/debian/index.hpp"
#include "distro/debian/sources.hpp"
#include "manifest/manifest.hpp"

namespace alephc::debian {

/// "NAME[:ARCH][=VERSION|/SUITE]" taken apart.
struct Request {
  std::string name{};
  std::string arch{};
  std::string version{};
  std::string suite{};
};
[[nodiscard]] Request parse_request(const std::string& text);

/// Checks names, versions, suites and architectures before apt sees them: apt would take "foo-" for a removal
/// and "f.*" for a pattern. Reports every problem, with near names.
void check_requests(const std::vector<Text>& requests, const PackageIndex& index,
                    const std::vector<Source>& sources, const std::string& arch, DiagnosticList& problems);

/// The chain of requirements from a request to a package: {"nginx", "nginx-common", "lsb-base"}; empty if
/// there is none.
[[nodiscard]] std::vector<std::string> requirement_chain(const std::vector<std::string>& from,
                                                         const std::string& to, const PackageIndex& index);

}  // namespace alephc::debian
