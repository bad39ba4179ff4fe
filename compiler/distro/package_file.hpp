// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "distro/distro.hpp"

namespace alephc {

/// A package that the manifest gives as a file: how messages name it.
[[nodiscard]] std::string shown_name(const PackageFile& file);
/// Opens it; one with an address is fetched and its hash checked.
[[nodiscard]] UniqueFd open_package_file(const PackageFile& file, const Manifest& manifest,
                                         const ToolBox& tools);

}  // namespace alephc
