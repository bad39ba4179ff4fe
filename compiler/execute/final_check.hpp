// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace alephc {

/// Refuses a normalized tree that nobody should boot, with every reason and the step that wrote the path:
/// private keys and seeds that all who boot it would share, a machine-id, system files that everybody may
/// write, times after the steps' own. steps: the id of the step behind each layer of the tree.
void check_final_tree(const Tree& tree, const std::vector<std::string>& steps);

}  // namespace alephc
