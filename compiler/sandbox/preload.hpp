// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "sandbox/sandbox.hpp"

namespace alephc {

// Libraries that the loader puts before a program's own change what it sees of the host.
//
// LD_PRELOAD names them as /dev/shm/$LIB/NAME. glibc puts the folder of its own libraries in place of $LIB, so 64-bit
// programs and 32-bit ones find a file each; musl takes it as it stands. Static programs and set-user-id ones load nothing.

/// Writes the libraries to /dev/shm of the sandbox, which is given as a path of the host. Nothing where none is wanted.
void put_preloaded_libraries(const SandboxOptions& options, const std::filesystem::path& shm);
/// LD_PRELOAD for programs in the sandbox; empty where none is wanted.
[[nodiscard]] std::string preload_variable(const SandboxOptions& options);

}  // namespace alephc
