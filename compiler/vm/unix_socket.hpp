// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/fd.hpp"

namespace alephc {

[[nodiscard]] UniqueFd listen_unix(const std::filesystem::path& path);
/// Follows no link in the last part of the path. Empty where no program listens.
[[nodiscard]] UniqueFd connect_unix(const std::filesystem::path& path);

}  // namespace alephc
