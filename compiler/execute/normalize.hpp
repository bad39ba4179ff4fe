// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "tree/layer_writer.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// Recipe and lock as they go into the image; empty texts are left out.
struct EmbeddedRecipe {
  std::string manifest{};
  std::string lock{};
};

/// The rules of the output epoch (docs/output-epoch.md), each with its reason: takes out or rewrites whatever
/// differs from build to build or must not be shared by all who boot the image. Times are no business of
/// this: writers set them.
void normalize(const Tree& below, const EmbeddedRecipe& recipe, LayerWriter& out);

}  // namespace alephc
