// SPDX-License-Identifier: MIT
#include "verify/published.hpp"

#include <algorithm>
#include <functional>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "lock/lock_file.hpp"
#include "network/git.hpp"
#include "network/recipe_reference.hpp"
#include "verify/embedded_recipe.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

void use_embedded(const EmbeddedRecipe& recipe, Published& out) {
  out.project = out.work->path() / "recipe";
  write_project(recipe, out.project);
  out.checks.push_back(
      {"recipe", Verdict::verified, "embedded in the image; lock " + sha256(recipe.lock).hex()});
}

class PublishedFinder {
 public:
  PublishedFinder(const NetworkHosts& hosts, bool strict, const Settings& settings, Reporter& reporter)
      : strict_(strict),
        settings_(settings),
        store_(settings.store),
        fetcher_(settings.outside.fetcher(store_, reporter, {.offline = settings.offline})),
        api_(hosts, {.offline = settings.offline}, reporter) {}

  Published run(const std::string& hash) {
    const PulledFile file = pull_file(hash, api_, *fetcher_);
    for (const PullCheck& check : file.checks) say(check.name, verdict_of(check), check.text);
    out_.image = store_.blob_path(file.sha256);
    out_.file_hash = file.file_hash;
    out_.work.emplace(fs::temp_directory_path(), "alephc-published");
    const RecipeReference recipe = file.store_message ? file.store_message->recipe : RecipeReference{};
    find_recipe(recipe);
    if (!out_.project.empty() && !recipe.bundle.empty()) fetch_bundle(recipe.bundle);
    return std::move(out_);
  }

 private:
  /// Who published must be proven; which update is the newest, and who lets whom speak for him, only where
  /// the user wants that.
  [[nodiscard]] Verdict verdict_of(const PullCheck& check) const {
    const bool told = check.name == "update" || check.name == "lookup" || check.name == "delegation";
    const bool enough = told && !strict_;
    return check.proven || enough ? Verdict::verified : Verdict::undecided;
  }

  void say(const std::string& name, Verdict verdict, const std::string& text) {
    out_.checks.push_back({name, verdict, text});
  }

  void find_recipe(const RecipeReference& reference) {
    const auto recipe = embedded_recipe(out_.image, settings_.jobs);
    const std::string lock = recipe ? sha256(recipe->lock).hex() : "";
    if (recipe && !reference.lock.empty() && lock != reference.lock)
      return say("recipe", Verdict::mismatch,
                 "the image holds another lock than its message names: " + lock + ", not " + reference.lock);
    if (recipe && recipe->lacking.empty()) return use_embedded(*recipe, out_);
    if (!reference.repository.empty() && !reference.revision.empty()) return use_repository(reference);
    say("recipe", Verdict::undecided,
        recipe ? "the recipe in the image needs files of its project, and no message names a repository"
               : "the image holds no recipe, and no message names one");
  }

  /// What a message only names may be gone: that decides nothing.
  bool undecided_unless(const std::string& name, const std::function<void()>& get) {
    try {
      get();
      return true;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::failed && error.kind() != ErrorKind::usage) throw;
      say(name, Verdict::undecided, error.what());
      return false;
    }
  }

  void use_repository(const RecipeReference& recipe) {
    const fs::path folder = out_.work->path() / "repository";
    // A node on this machine or its network may name others there.
    const auto get = [&] {
      clone_repository(recipe.repository, recipe.revision, folder,
                       std::ranges::any_of(api_.hosts().apis, is_local_host));
    };
    if (!undecided_unless("recipe", get)) return;
    const fs::path path(recipe.path.empty() ? "runtime.toml" : recipe.path);
    std::error_code missing;
    const fs::path manifest = fs::canonical(folder / path, missing);
    const std::string inside = fs::canonical(folder).string() + "/";
    if (missing || !manifest.string().starts_with(inside) || !fs::is_regular_file(manifest))
      return say("recipe", Verdict::undecided, recipe.repository + " has no " + printable(path.string()));
    const auto lock = read_file_if_exists(lock_path_of(manifest));
    if (!lock || (!recipe.lock.empty() && sha256(*lock).hex() != recipe.lock))
      return say("recipe", Verdict::mismatch,
                 recipe.repository + " at " + recipe.revision + " has not the lock that the message names");
    out_.project = manifest;
    say("recipe", Verdict::verified,
        recipe.repository + " at " + recipe.revision + "; lock " + sha256(*lock).hex());
  }

  /// Mirrors may still have what the bundle would have given.
  void fetch_bundle(const std::string& hash) {
    if (!is_network_hash(hash)) return;
    undecided_unless("bundle", [&] {
      const PulledFile bundle = pull_file(hash, api_, *fetcher_);
      out_.bundle = store_.blob_path(bundle.sha256);
      say("bundle", Verdict::verified, hash + ", the bytes give this hash");
    });
  }

  bool strict_;
  const Settings& settings_;
  Store store_;
  std::unique_ptr<Fetcher> fetcher_;
  NodeApi api_;
  Published out_;
};

}  // namespace

Published fetch_published(const std::string& hash, const NetworkHosts& hosts, bool strict,
                          const Settings& settings, Reporter& reporter) {
  return PublishedFinder(hosts, strict, settings, reporter).run(hash);
}

Published open_image(const fs::path& image, const Settings& settings) {
  Published out{.image = image};
  out.work.emplace(fs::temp_directory_path(), "alephc-published");
  const auto recipe = embedded_recipe(image, settings.jobs);
  if (recipe && recipe->lacking.empty())
    use_embedded(*recipe, out);
  else if (recipe)
    out.checks.push_back(
        {"recipe", Verdict::undecided,
         "lock " + sha256(recipe->lock).hex() +
             " needs files of its project, which the image does not hold: " + join(recipe->lacking, ", ") +
             "; name the project, and the image with --image"});
  else
    out.checks.push_back({"recipe", Verdict::undecided, "the image holds none"});
  return out;
}

std::string published_file(const std::string& message_hash, const NetworkHosts& hosts, Reporter& reporter) {
  const auto message = NodeApi(hosts, {}, reporter).find_message(message_hash);
  return message ? as_store_message(*message).file_hash : std::string();
}

}  // namespace alephc
