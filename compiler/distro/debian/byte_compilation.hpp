// SPDX-License-Identifier: MIT
#pragma once

#include "sandbox/given_files.hpp"

namespace alephc::debian {

// Maintainer scripts call py3compile once a package, one after the other: half of the time that packages with
// Python modules take to configure. What it writes depends on the package's files and the interpreter alone,
// and no script reads it, so the calls can wait until all packages are configured and then run side by side.

/// Path of the program below the root of a tree.
inline constexpr const char* kByteCompiler = "usr/bin/py3compile";

/// Makes scripts find a program in place of py3compile that notes its arguments.
void defer_byte_compilation(GivenFiles& given, const StepRoom& room, SandboxCommand& scripts);
/// Runs the calls that were noted, up to jobs at a time.
[[nodiscard]] SandboxCommand deferred_byte_compilation(unsigned jobs);

/// The oldest Python whose compiled files do not depend on the seed of its hashes, 3.N: from then on sets are
/// written in order (Python's issue 37596). Scripts run it with -E, which ignores PYTHONHASHSEED.
inline constexpr int kFirstOrderedPython = 11;
/// Compiles what Python 3.minor has compiled once more, with a fixed seed.
[[nodiscard]] SandboxCommand seeded_byte_compilation(int minor);

}  // namespace alephc::debian
