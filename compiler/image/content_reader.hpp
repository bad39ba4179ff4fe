// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string_view>

#include "base/diagnostic.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// Streams a file's content in order and compares size and hash with the listing; throws an integrity Error
/// on a difference.
void read_checked(const Tree& tree, const Entry& entry, const std::function<void(std::string_view)>& take);

/// The error of a content that is not what the listing says.
[[nodiscard]] Error damaged_content(const Entry& entry);

}  // namespace alephc
