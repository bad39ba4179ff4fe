// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "sandbox/sandbox.hpp"

namespace alephc {

/// Runs commands; a failure is an Error that has the last lines of the log and names the log.
void run_checked(const CommandRunner& runner, const SandboxOptions& options, const std::vector<SandboxCommand>& commands,
                 const std::string& doing);

}  // namespace alephc
