// SPDX-License-Identifier: MIT
#include "network/recipe_reference.hpp"

#include <cstdlib>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "fetch/fetcher.hpp"
#include "lock/lock_file.hpp"
#include "manifest/load.hpp"
#include "receipt/receipt.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

CommandResult git(const std::vector<std::string>& arguments) {
  const auto program = find_program("git");
  if (!program) throw Error(ErrorKind::host, "git is needed, and not installed");
  Command command{.argv = {*program}};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.environment = {{"LC_ALL", "C"}, {"GIT_TERMINAL_PROMPT", "0"}, {"GIT_ALLOW_PROTOCOL", "http:https"}};
  for (const char* name : {"PATH", "HOME", "http_proxy", "https_proxy", "no_proxy"})
    if (const char* value = std::getenv(name)) command.environment[name] = value;
  return run_command(command);
}

/// Empty outside of a work tree, and without git.
std::string git_answer(const fs::path& folder, const std::vector<std::string>& arguments) {
  if (!find_program("git")) return {};
  std::vector<std::string> words{"-C", folder.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const CommandResult result = git(words);
  return result.exit_code == 0 ? std::string(trim(result.output)) : std::string();
}

void add_repository(RecipeReference& recipe, const fs::path& manifest_file, const std::string& repository,
                    Reporter& reporter) {
  const fs::path folder = fs::absolute(manifest_file).parent_path();
  const std::string top = git_answer(folder, {"rev-parse", "--show-toplevel"});
  recipe.repository = repository;
  if (top.empty()) return;
  recipe.revision = git_answer(folder, {"rev-parse", "HEAD"});
  recipe.path = fs::absolute(manifest_file).lexically_relative(top).string();
  if (recipe.repository.empty())
    recipe.repository = public_url(git_answer(folder, {"remote", "get-url", "origin"}));
  if (!git_answer(folder, {"status", "--porcelain", "--", "."}).empty())
    reporter.diagnostic(
        {.severity = Severity::warning,
         .message = "the project has changes that are not committed: others will not find them at " +
                    recipe.revision,
         .hint = "commit them first"});
}

}  // namespace

RecipeReference recipe_of_image(const fs::path& image, const Digest& sha256, const fs::path& project,
                                Reporter& reporter) {
  RecipeReference recipe;
  const std::string file = image.string() + ".receipt.json";
  if (const auto text = read_file_if_exists(file)) {
    const Receipt receipt = parse_receipt(file, *text);
    if (receipt.image.sha256 == sha256) {
      recipe.lock = receipt.lock.hex();
      recipe.tree = receipt.image.tree.hex();
      recipe.epoch = std::to_string(receipt.epoch);
    }
  }
  if (project.empty()) return recipe;
  const Manifest manifest = load_manifest(project);
  const auto lock = read_file_if_exists(lock_path_of(manifest.file));
  // A project that is not the image's says nothing about it.
  if (!lock || recipe.lock != alephc::sha256(*lock).hex()) return recipe;
  add_repository(recipe, manifest.file, manifest.repository, reporter);
  return recipe;
}

void clone_repository(const std::string& repository, const std::string& revision, const fs::path& folder) {
  const bool known = repository.starts_with("https://") || repository.starts_with("http://");
  if (!known || revision.empty() || revision.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw Error(ErrorKind::failed, "the message names no repository and revision that can be fetched: " +
                                       printable(repository) + " at " + printable(revision));
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"clone", "--quiet", "--no-checkout", "--", repository, folder.string()},
        std::vector<std::string>{"-C", folder.string(), "-c", "core.hooksPath=/dev/null", "checkout",
                                 "--quiet", "--detach", revision}}) {
    const CommandResult result = git(arguments);
    if (result.exit_code != 0)
      throw Error(ErrorKind::failed, "cannot get " + repository + " at " + revision + ": " +
                                         printable(std::string(trim(result.errors))));
  }
}

}  // namespace alephc
