// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc::debian {

/// The control file of a .deb, decoded in the confined child.
[[nodiscard]] std::string read_control(int fd);

}  // namespace alephc::debian
