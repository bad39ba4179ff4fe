// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "distro/alpine/universe.hpp"

namespace alephc::alpine {

/// The chosen packages in the order in which apk installs them: what a package needs, itself, then what its presence
/// brings.
[[nodiscard]] std::vector<std::uint32_t> install_order(const Universe& all, const std::vector<Need>& world);

}  // namespace alephc::alpine
