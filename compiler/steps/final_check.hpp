// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "steps/step.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// Refuses a normalized tree that is not fit to boot, with every reason and the step that wrote the path: private keys,
/// seeds and a machine-id that all machines would share, world-writable system files, times after the steps' own. Keys
/// in published layers are allowed: they are tests and examples, and protect nothing. `step_time` in seconds.
void check_final_tree(const Tree& tree, const std::vector<LayerOrigin>& layers, std::int64_t step_time);

}  // namespace alephc
