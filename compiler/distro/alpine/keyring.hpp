// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "distro/alpine/signature.hpp"

namespace alephc::alpine {

/// The keys that Alpine signs its indexes with, from keys/.
[[nodiscard]] std::vector<Key> distribution_keys();

}  // namespace alephc::alpine
