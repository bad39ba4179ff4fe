// SPDX-License-Identifier: MIT
#pragma once

#include "distro/distro.hpp"
#include "distro/traits.hpp"

namespace alephc::toy {

inline constexpr DistroTraits kTraits{.name = "toy", .purl_type = "generic"};
/// Packages are tar files that <mirror>/<release>/index names, "NAME VERSION SIZE SHA256" a line: for the test that adds a
/// distribution.
[[nodiscard]] const Distro& distro();

}  // namespace alephc::toy
