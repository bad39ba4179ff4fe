// SPDX-License-Identifier: MIT
#pragma once

#include "sandbox/id_range.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc {

/// Builds the root of the sandbox in a mount namespace of our own and enters it: an overlay, mounted nodev, with a
/// small /dev, /proc without the parts that reach the host, and nothing else of the host in sight, not even in the words
/// of the mounts. With a range the files belong to its ids; without one, to the ids they have on disk.
void enter_root(const SandboxOptions& options, const IdRange* range);

}  // namespace alephc
