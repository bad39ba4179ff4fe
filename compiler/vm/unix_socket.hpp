// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/fd.hpp"

namespace alephc {

[[nodiscard]] UniqueFd listen_unix(const std::filesystem::path& path);
/// Empty when nobody listens there.
[[nodiscard]] UniqueFd connect_unix(const std::filesystem::path& path);

}  // namespace alephc
