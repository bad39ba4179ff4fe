// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/digest.hpp"
#include "base/reporter.hpp"
#include "message/store_message.hpp"

namespace alephc {

/// An image and the project that it was built from, as far as they are known to belong together.
struct ImageRecipe {
  RecipeReference reference{};
  std::string kind{};  ///< of the project, if the image was built by its lock; else empty
};

/// What a published image says about its recipe: lock, tree and epoch from the receipt beside it (if it is of
/// these bytes), repository, revision and path from the project's git work tree. project may be empty.
[[nodiscard]] ImageRecipe recipe_of_image(const std::filesystem::path& image, const Digest& sha256,
                                          const std::filesystem::path& project, Reporter& reporter);

/// The public address of what a git remote names: http and https without credentials, also
/// for "git@HOST:PATH" and ssh://. Empty when there is none, as for a folder.
[[nodiscard]] std::string public_repository(const std::string& remote);

}  // namespace alephc
