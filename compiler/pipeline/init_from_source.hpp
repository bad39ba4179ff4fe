// SPDX-License-Identifier: MIT
#pragma once

#include "lock/lock.hpp"
#include "pipeline/session.hpp"

namespace alephc {

/// Whether a lock names the init that was released of this alephc's source, and neither this alephc nor the store has its
/// bytes.
[[nodiscard]] bool needs_init_from_source(const Lock& lock, const Store& store);

/// Builds that init in the sandbox with the packages that its own lock names (compiler/init), and puts it into the store.
/// Throws an Error of kind integrity when the result is another program.
void build_init_from_source(const Session& session);

}  // namespace alephc
