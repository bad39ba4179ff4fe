// SPDX-License-Identifier: MIT
#pragma once

#include "sandbox/sandbox.hpp"

namespace alephc {

/// Builds the root of the sandbox in a mount namespace of our own and enters it: overlay or folder, mounted
/// nodev, with a small /dev, /proc without the parts that reach the host, and nothing else of the host in
/// sight.
void enter_root(const SandboxOptions& options);

/// Brings the loopback device of a new network namespace up.
void raise_loopback();

}  // namespace alephc
