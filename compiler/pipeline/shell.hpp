// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/session.hpp"

namespace alephc {

/// A shell, or a command, in the tree as it was before a step
/// (empty: at the end of the build). Returns its exit code.
int open_shell(const std::filesystem::path& path, const std::string& step,
               const std::vector<std::string>& command, const Session& session);

}  // namespace alephc
