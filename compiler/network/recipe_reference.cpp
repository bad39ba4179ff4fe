// SPDX-License-Identifier: MIT
#include "network/recipe_reference.hpp"

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "evidence/receipt.hpp"
#include "fetch/fetcher.hpp"
#include "lock/lock_file.hpp"
#include "manifest/load.hpp"
#include "network/git.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

void add_repository(RecipeReference& recipe, const fs::path& manifest_file, const std::string& repository,
                    Reporter& reporter) {
  const fs::path folder = fs::absolute(manifest_file).parent_path();
  const auto tree = read_work_tree(folder, reporter);
  recipe.repository = public_repository(repository);
  if (!tree) return;
  recipe.revision = tree->revision;
  recipe.path = fs::absolute(manifest_file).lexically_relative(tree->top).string();
  if (recipe.repository.empty()) {
    recipe.repository = public_repository(tree->remote);
    if (recipe.repository.empty())
      reporter.diagnostic({.severity = Severity::warning,
                           .message = tree->remote.empty() ? "the project's repository has no remote 'origin'"
                                                           : "others cannot fetch the remote 'origin'",
                           .hint = "say where the recipe is with runtime.repository, or with --metadata "
                                   "alephc.repository=https://…"});
  }
  if (tree->has_changes)
    reporter.diagnostic(
        {.severity = Severity::warning,
         .message = "the project has changes that are not committed: others will not find them at " +
                    recipe.revision,
         .hint = "commit them first"});
}

}  // namespace

std::string public_repository(const std::string& remote) {
  if (remote.starts_with("https://") || remote.starts_with("http://")) return public_url(remote);
  constexpr std::string_view kSsh = "ssh://";
  const bool ssh = remote.starts_with(kSsh);
  if (!ssh && remote.find("://") != std::string::npos) return {};
  // "HOST[:PORT]/PATH" behind ssh://, else "HOST:PATH": with a slash before the colon it is a folder.
  const std::string address = ssh ? remote.substr(kSsh.size()) : remote;
  const std::size_t end = address.find_first_of(ssh ? "/" : ":/");
  if (end == std::string::npos || (!ssh && address[end] == '/')) return {};
  std::string host = address.substr(0, end);
  host.erase(0, host.rfind('@') + 1);
  host = host.substr(0, host.find(':'));
  const std::size_t path = address.find_first_not_of('/', end + 1);
  if (host.empty() || path == std::string::npos) return {};
  return "https://" + host + "/" + address.substr(path);
}

ImageRecipe recipe_of_image(const fs::path& image, const Digest& sha256, const fs::path& project,
                            Reporter& reporter) {
  ImageRecipe out;
  RecipeReference& recipe = out.reference;
  const std::string file = image.string() + ".receipt.json";
  if (const auto text = read_file_if_exists(file)) {
    const Receipt receipt = parse_receipt(file, *text);
    if (receipt.image.sha256 == sha256) {
      recipe.lock = receipt.lock.hex();
      recipe.tree = receipt.image.tree.text();
      recipe.epoch = std::to_string(receipt.epoch);
    }
  }
  if (project.empty()) return out;
  const Manifest manifest = load_manifest(project);
  const auto lock = read_file_if_exists(lock_path_of(manifest.file));
  // A project that is not the image's says nothing about it.
  if (!lock || recipe.lock != alephc::sha256(*lock).hex()) return out;
  out.kind = manifest.kind;
  add_repository(recipe, manifest.file, manifest.repository, reporter);
  return out;
}

}  // namespace alephc
