// SPDX-License-Identifier: MIT
#pragma once

#include "sandbox/sandbox.hpp"

namespace alephc {

/// Leaves the few capabilities that maintainer scripts need, for this process and all it starts.
void drop_capabilities();

/// Lets through what seccomp_calls.cpp lists, for this process and all it starts.
void install_seccomp_filter();

void set_limits(const SandboxLimits& limits);

}  // namespace alephc
