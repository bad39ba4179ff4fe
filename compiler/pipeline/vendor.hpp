// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "pipeline/session.hpp"

namespace alephc {

/// Writes everything that the committed lock names to one file; see evidence/bundle.hpp.
void vendor_runtime(const std::filesystem::path& path, const std::filesystem::path& output,
                    const Session& session);

}  // namespace alephc
