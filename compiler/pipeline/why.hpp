// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/session.hpp"

namespace alephc {

/// A package ("nginx") or a path ("/etc/nginx/nginx.conf") of the last build, explained line by line.
[[nodiscard]] std::vector<std::string> explain(const std::filesystem::path& path, const std::string& subject,
                                               const Session& session);

}  // namespace alephc
