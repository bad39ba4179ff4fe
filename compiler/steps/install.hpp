// SPDX-License-Identifier: MIT
#pragma once

#include "distro/distro.hpp"
#include "steps/step.hpp"

namespace alephc {

/// A layer of packages. Its fetches are for the caller to add.
[[nodiscard]] Step install_step(StepName name, InstallInput input);

}  // namespace alephc
