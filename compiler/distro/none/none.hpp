// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "distro/distro.hpp"
#include "distro/traits.hpp"

namespace alephc::none {

/// base.distro = "none": no packages; an image of the init and the project's files.
inline constexpr DistroTraits kTraits{.name = "none"};
[[nodiscard]] const Distro& distro();

}  // namespace alephc::none
