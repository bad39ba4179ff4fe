// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "sandbox/sandbox.hpp"

namespace alephc {

/// run_in_sandbox, with a failure turned into an Error that has the last lines of the log and names the log.
void run_checked(const SandboxOptions& options, const std::vector<SandboxCommand>& commands,
                 const std::string& doing);

}  // namespace alephc
