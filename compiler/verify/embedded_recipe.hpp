// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace alephc {

/// The recipe that an image holds in /usr/share/alephc.
struct EmbeddedRecipe {
  std::string manifest{};  ///< the merged one, without keys that describe
  std::string lock{};
  std::vector<std::string> lacking{};  ///< files of the project that its steps need; no image holds them
};

/// Nothing when the image has no recipe. Throws when the file is not an image, or its lock is not a lock.
[[nodiscard]] std::optional<EmbeddedRecipe> embedded_recipe(const std::filesystem::path& image,
                                                            unsigned jobs);

/// Makes a project of a recipe that lacks nothing, in a new folder.
void write_project(const EmbeddedRecipe& recipe, const std::filesystem::path& folder);

}  // namespace alephc
