// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/digest.hpp"
#include "base/reporter.hpp"
#include "message/store_message.hpp"

namespace alephc {

/// What a published image says about its recipe: lock, tree and epoch from the receipt beside it (if it is of
/// these bytes), repository, revision and path from the project's git work tree. project may be empty.
[[nodiscard]] RecipeReference recipe_of_image(const std::filesystem::path& image, const Digest& sha256,
                                              const std::filesystem::path& project, Reporter& reporter);

/// Checks a repository out at a revision, by git. Only http and https addresses are followed.
void clone_repository(const std::string& repository, const std::string& revision,
                      const std::filesystem::path& folder);

}  // namespace alephc
