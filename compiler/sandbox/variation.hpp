// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "sandbox/sandbox.hpp"

namespace alephc {

/// Writes the libraries of a variation to /dev/shm of the sandbox, which is given as a path of the host.
void put_variation_libraries(const Variation& vary, const std::filesystem::path& shm);
/// LD_PRELOAD for programs in the sandbox.
[[nodiscard]] std::string variation_preload(const Variation& vary);

}  // namespace alephc
