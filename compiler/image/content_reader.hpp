// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string_view>

#include "tree/tree.hpp"

namespace alephc {

/// Streams a file's content in order and compares size and hash with the listing; throws an integrity Error
/// on a difference.
void read_checked(const Tree& tree, const Entry& entry, const std::function<void(std::string_view)>& take);

}  // namespace alephc
