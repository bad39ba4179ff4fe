// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc::debian {

/// Keys that sign a distribution's archive, armored, of the files keys/DISTRO-*.asc: where this machine has no keyring of
/// it, and so that a bundle need not bring one. Debian's are those of its releases 11 to 13.
[[nodiscard]] std::string embedded_keys(const std::string& distro);

}  // namespace alephc::debian
