// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc::debian {

/// Keys that sign a distribution's archive, armored, of the files keys/DISTRO-*.asc; empty for those whose
/// keyring is everywhere.
[[nodiscard]] std::string embedded_keys(const std::string& distro);

}  // namespace alephc::debian
