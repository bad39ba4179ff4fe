// SPDX-License-Identifier: MIT
#pragma once

#include "cli/command.hpp"

namespace alephc {

/// Command line over environment over the user's config.toml over defaults.
[[nodiscard]] Settings make_settings(const CommonOptions& options);

}  // namespace alephc
