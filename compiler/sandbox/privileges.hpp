// SPDX-License-Identifier: MIT
#pragma once

#include "sandbox/sandbox.hpp"

namespace alephc {

/// Leaves the few capabilities that maintainer scripts need, for this process and all it starts.
void drop_capabilities();

/// Denies what no step needs (keyrings, bpf, kexec, modules, new user namespaces, clocks …) and answers sync,
/// fsync and their family with success: a step's tree is thrown away or hashed, never recovered.
void install_seccomp_filter();

void set_limits(const SandboxLimits& limits);

}  // namespace alephc
