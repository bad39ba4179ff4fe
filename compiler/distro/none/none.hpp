// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "distro/distro.hpp"

namespace alephc::none {

/// base.distro = "none": no packages; an image of the init and the project's files.
[[nodiscard]] std::unique_ptr<Distro> make_none();

}  // namespace alephc::none
