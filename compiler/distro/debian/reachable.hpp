// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "distro/debian/index.hpp"

namespace alephc::debian {

/// The packages that a solver could come to from the given names, as numbers in index.packages(), in order:
/// whatever has a name that is asked for or that one of them depends on, in every version, or provides it;
/// what they recommend only if told so. Nothing else can be part of a solution, so apt need not read it.
[[nodiscard]] std::vector<std::size_t> reachable_packages(const PackageIndex& index,
                                                          const std::vector<std::string>& names,
                                                          bool recommends);

}  // namespace alephc::debian
