// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

namespace alephc {

/// A variable of the environment; empty if it is not set.
[[nodiscard]] std::string environment(const char* name);

/// $HOME, or root's.
[[nodiscard]] std::filesystem::path home_folder();

}  // namespace alephc
