// SPDX-License-Identifier: MIT
#include "verify/embedded_recipe.hpp"

#include "base/files.hpp"
#include "image/image_format.hpp"
#include "lock/lock_file.hpp"

namespace alephc {
namespace {

constexpr const char* kManifest = "usr/share/alephc/runtime.toml";
constexpr const char* kLock = "usr/share/alephc/runtime.lock";

/// Descriptive keys are not embedded, and a manifest needs a name.
std::string with_name(std::string manifest) {
  const std::string table = "[runtime]\n";
  const std::string name = "name = \"published\"\n";
  const std::size_t at = manifest.find(table);
  if (at == std::string::npos) return manifest + "\n" + table + name;
  return manifest.insert(at + table.size(), name);
}

}  // namespace

std::optional<EmbeddedRecipe> embedded_recipe(const std::filesystem::path& image, unsigned jobs) {
  const auto wanted = [](const std::string& path) { return path == kManifest || path == kLock; };
  ImageContent content = read_image(image, {.jobs = jobs, .wanted = wanted, .only_wanted = true});
  if (!content.texts.contains(kManifest) || !content.texts.contains(kLock)) return std::nullopt;
  EmbeddedRecipe recipe{.manifest = std::move(content.texts[kManifest]),
                        .lock = std::move(content.texts[kLock])};
  for (const LockedInput& input : parse_lock("the image's runtime.lock", recipe.lock).inputs)
    recipe.lacking.push_back(input.path);
  return recipe;
}

void write_project(const EmbeddedRecipe& recipe, const std::filesystem::path& folder) {
  make_folders(folder);
  atomic_write(folder / "runtime.toml", with_name(recipe.manifest));
  atomic_write(folder / "runtime.lock", recipe.lock);
}

}  // namespace alephc
