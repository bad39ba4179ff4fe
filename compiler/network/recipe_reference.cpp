// SPDX-License-Identifier: MIT
#include "network/recipe_reference.hpp"

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
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
  for (const char* name : {"PATH", "HOME", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
                           "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_DIR", "GIT_SSL_CAPATH"})
    if (const std::string value = environment(name); !value.empty()) command.environment[name] = value;
  const std::string bundle = environment("GIT_SSL_CAINFO");
  if (const std::string file = bundle.empty() ? certificate_bundle() : bundle; !file.empty())
    command.environment["GIT_SSL_CAINFO"] = file;
  return run_command(command);
}

/// Empty when git has no answer.
std::string git_answer(const fs::path& folder, const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"-C", folder.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const CommandResult result = git(words);
  return result.exit_code == 0 ? std::string(trim(result.output)) : std::string();
}

/// Empty outside of a work tree, and without git.
std::string work_tree_of(const fs::path& folder, Reporter& reporter) {
  if (!find_program("git")) return {};
  const CommandResult result = git({"-C", folder.string(), "rev-parse", "--show-toplevel"});
  if (result.exit_code == 0) return std::string(trim(result.output));
  if (result.errors.find("not a git repository") == std::string::npos)
    reporter.diagnostic({.severity = Severity::warning,
                         .message = "git does not tell where the recipe is, so the message will not either",
                         .context = {printable(trim(result.errors))}});
  return {};
}

void add_repository(RecipeReference& recipe, const fs::path& manifest_file, const std::string& repository,
                    Reporter& reporter) {
  const fs::path folder = fs::absolute(manifest_file).parent_path();
  const std::string top = work_tree_of(folder, reporter);
  recipe.repository = public_repository(repository);
  if (top.empty()) return;
  recipe.revision = git_answer(folder, {"rev-parse", "HEAD"});
  recipe.path = fs::absolute(manifest_file).lexically_relative(top).string();
  if (recipe.repository.empty()) {
    const std::string remote = git_answer(folder, {"remote", "get-url", "origin"});
    recipe.repository = public_repository(remote);
    if (recipe.repository.empty())
      reporter.diagnostic({.severity = Severity::warning,
                           .message = remote.empty() ? "the project's repository has no remote 'origin'"
                                                     : "nobody else can fetch the remote 'origin'",
                           .hint = "say where the recipe is with runtime.repository, or with --metadata "
                                   "alephc.repository=https://…"});
  }
  if (!git_answer(folder, {"status", "--porcelain", "--", "."}).empty())
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
      recipe.tree = receipt.image.tree.hex();
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
