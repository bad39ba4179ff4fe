// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "compare/image_diff.hpp"

namespace alephc {

/// From the outside in: bytes, filesystem, tree, packages, paths by the step or package that wrote them.
[[nodiscard]] std::string diff_text(const ImageDiff& diff);
/// One JSON object: `same_bytes` `same_tree` `conclusion` `other_outside` `a` `b` `filesystem` `packages` `paths`.
[[nodiscard]] std::string diff_json(const ImageDiff& diff);
/// One HTML file that needs nothing but itself: search, filters, folding groups.
[[nodiscard]] std::string diff_page(const ImageDiff& diff);

}  // namespace alephc
