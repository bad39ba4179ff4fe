// SPDX-License-Identifier: MIT
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace alephc {

/// Refuses a normalized tree that nobody should boot, with every reason and the step that wrote the path:
/// private keys and seeds that all who boot it would share, a machine-id, system files that everybody may
/// write, times after the steps' own. steps: the id of the step behind each layer of the tree. published:
/// those that put in what everybody can download by its hash, where tests and examples are full of keys that
/// protect nothing.
void check_final_tree(const Tree& tree, const std::vector<std::string>& steps,
                      const std::set<std::string>& published);

}  // namespace alephc
