// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "sandbox/sandbox.hpp"

namespace alephc {

/// What this process as root lacks to unpack packages and to set a sandbox up: "SETUID, SYS_ADMIN". A container may withhold
/// any of it.
[[nodiscard]] std::string missing_capabilities();

/// Leaves the few capabilities that maintainer scripts need, for this process and all it starts.
void drop_capabilities();

/// Lets through what seccomp_calls.cpp lists, for this process and all it starts.
void install_seccomp_filter();

void set_limits(const SandboxLimits& limits);

}  // namespace alephc
