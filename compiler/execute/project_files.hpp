// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "lock/lock.hpp"
#include "manifest/manifest.hpp"

namespace alephc {

/// Every project file that enters the image or a step, hashed as it is now: files below folders one by one,
/// sorted by path. kind is "file", "executable" or "link". Throws when one is missing.
[[nodiscard]] std::vector<LockedInput> project_inputs(const Manifest& manifest);

/// The entries at or below one project path.
[[nodiscard]] std::vector<LockedInput> inputs_below(const std::vector<LockedInput>& inputs,
                                                    const std::string& path);

}  // namespace alephc
