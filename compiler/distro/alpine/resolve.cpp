// SPDX-License-Identifier: MIT
// One choice for the whole manifest, then the packages are dealt out to layers: one a part of the manifest
// that asks for packages, each with what it needs and no earlier layer has. An index knows packages by the
// hash of their control member; the lock knows them by the sha256 of the whole file, so locking fetches what
// no former lock has.
#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/alpine/alpine.hpp"
#include "distro/alpine/indexes.hpp"
#include "distro/alpine/package.hpp"
#include "distro/alpine/solver.hpp"
#include "distro/layers.hpp"
#include "distro/package_file.hpp"

namespace alephc::alpine {
namespace {

/// Empty, and the package has its hash, if the file is the one that the signed index names.
std::string accept(LockedPackage& package, int fd, const Digest& got) {
  const CheckedPackage checked = read_package(fd);
  if (checked.identity != package.identity)
    return "is " + checked.info.name + " " + checked.info.version + " with the identity " + checked.identity +
           ", the index names " + package.identity;
  if (checked.info.name != package.name || checked.info.version != package.version)
    return "says that it is " + checked.info.name + " " + checked.info.version;
  package.sha256 = got;
  return {};
}

class Resolver {
 public:
  Resolver(const ResolveRequest& request, const ToolBox& tools)
      : request_(request),
        manifest_(request.manifest),
        tools_(tools),
        arch_(apk_arch(request.manifest.base.arch)),
        index_(arch_) {}

  Resolution run() {
    if (!request_.date.empty())
      throw Error(ErrorKind::failed, "Alpine has no archive of former indexes, so no date can be locked",
                  "keep the packages of a lock with 'alephc vendor'");
    verified_ = fetch_indexes(sources_of(manifest_, request_.mirrors), arch_, request_.previous, tools_);
    for (std::uint32_t i = 0; i < verified_.size(); ++i) index_.add(verified_[i].index.text, i);
    read_local_packages();
    collect_world();
    choose();
    fetch_packages();
    Resolution resolution;
    deal_layers(resolution);
    find_removed(resolution);
    for (const VerifiedSource& verified : verified_) {
      resolution.repositories.push_back({.name = verified.source.name,
                                         .suite = verified.source.suite,
                                         .date = verified.index.date,
                                         .index = verified.digest,
                                         .signer = verified.index.signer,
                                         .distribution_keyring = verified.source.distribution_keyring});
      resolution.newest_index = std::max(resolution.newest_index, verified.index.date);
    }
    resolution.resolver = "alephc, as apk-tools 2.14";
    tools_.reporter.note(
        "Alpine's mirrors drop superseded versions within days: 'alephc vendor' keeps these packages");
    return resolution;
  }

 private:
  struct Wish {
    Dependency dependency{};
    const Text* text = nullptr;  ///< where the manifest has it; null for a package file
    bool build = false;          ///< there for steps only
  };

  /// Packages given as files: their own data becomes one more index.
  void read_local_packages() {
    for (const PackageFile& file : manifest_.packages.files) {
      const std::string shown = shown_name(file);
      with_context("reading the package " + shown, [&] { read_local_package(file); });
    }
    for (const std::string& text : local_texts_)
      index_.add(text, static_cast<std::uint32_t>(verified_.size()));
  }

  void read_local_package(const PackageFile& file) {
    const UniqueFd fd = open_package_file(file, manifest_, tools_);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) throw system_error("look at a package", errno);
    const auto size = static_cast<std::uint64_t>(info.st_size);
    const CheckedPackage package = read_package(fd.get());
    if (package.info.arch != arch_ && package.info.arch != "noarch")
      throw Error(ErrorKind::failed,
                  package.info.name + " is for " + package.info.arch + ", the image is for " + arch_);
    local_.push_back({.name = package.info.name,
                      .version = package.info.version,
                      .arch = package.info.arch,
                      .size = size,
                      .sha256 = sha256_fd(fd.get()),
                      .repository = file.path.empty() ? "url" : "file",
                      .path = file.path.empty() ? file.url : file.path,
                      .identity = package.identity});
    local_texts_.push_back(index_entry(package.info, package.identity, package.info.arch, size));
  }

  void collect_world() {
    DiagnosticList problems;
    for (const Text& text : manifest_.packages.install) add_wish(text, false, problems);
    for (const Text& text : manifest_.packages.build) add_wish(text, true, problems);
    problems.stop_if_errors();
    for (const LockedPackage& local : local_)
      wishes_.push_back({{.name = local.name, .version = local.identity, .relations = Dependency::identity}});
  }

  void add_wish(const Text& text, bool build, DiagnosticList& problems) {
    const auto dependency = parse_dependency(text.value);
    if (!dependency)
      return problems.error("'" + text.value + "' is not a request that apk understands", text.at);
    if (!dependency->tag.empty() && !has_tag(dependency->tag)) {
      std::vector<std::string> names;
      for (const RepositorySpec& repository : manifest_.repositories) names.push_back(repository.name);
      return problems.error(
          "there is no repository '" + std::string(dependency->tag) + "'", text.at,
          names.empty() ? "name it in [[repository]]" : did_you_mean(dependency->tag, names));
    }
    if (index_.named(dependency->name).empty() && !is_provided(dependency->name))
      return problems.error("there is no package '" + std::string(dependency->name) + "'", text.at,
                            did_you_mean(dependency->name, index_.names()));
    wishes_.push_back({*dependency, &text, build});
  }

  [[nodiscard]] bool has_tag(std::string_view tag) const {
    return std::any_of(verified_.begin(), verified_.end(),
                       [&](const VerifiedSource& each) { return each.source.tag == tag; });
  }

  [[nodiscard]] bool is_provided(std::string_view name) const {
    for (const IndexedPackage& package : index_.packages())
      for (const Dependency& provided : package.provides)
        if (provided.name == name) return true;
    return false;
  }

  [[nodiscard]] std::vector<std::string> tags() const {
    std::vector<std::string> out;
    for (const VerifiedSource& verified : verified_) out.push_back(verified.source.tag);
    out.emplace_back();  // package files
    return out;
  }

  /// What the previous lock has stays where it can.
  [[nodiscard]] std::set<std::uint32_t> kept() const {
    std::set<std::uint32_t> out;
    if (request_.previous == nullptr || request_.update_all) return out;
    for (const LockedPackage& package : request_.previous->packages())
      for (const std::uint32_t i : index_.named(package.name))
        if (!request_.update_packages.contains(package.name) &&
            index_.packages()[i].version == package.version)
          out.insert(i);
    return out;
  }

  [[nodiscard]] Solution solve(bool with_build, const std::set<std::string>& without) const {
    std::vector<Dependency> world;
    for (const Wish& wish : wishes_)
      if ((with_build || !wish.build) && !without.contains(std::string(wish.dependency.name)))
        world.push_back(wish.dependency);
    return Solver(index_, tags(), kept()).solve(std::move(world));
  }

  void choose() {
    tools_.reporter.progress("lock  choosing packages");
    const Solution solution = solve(true, {});
    if (!solution.obstacles.empty()) no_solution(solution.obstacles);
    for (const std::uint32_t i : solution.packages) {
      chosen_.push_back(&index_.packages()[i]);
      packages_.push_back(lock_package(index_.packages()[i]));
    }
  }

  [[noreturn]] void no_solution(const std::vector<Obstacle>& obstacles) const {
    Diagnostic problem{.message = "these packages cannot be installed together"};
    for (const Obstacle& obstacle : obstacles) {
      problem.context.insert(problem.context.end(), obstacle.lines.begin(), obstacle.lines.end());
      if (obstacle.chain.size() > 1) problem.context.push_back("required by " + join(obstacle.chain, " → "));
      for (const Wish& wish : wishes_)
        if (!problem.at && wish.text != nullptr && !obstacle.chain.empty() &&
            wish.dependency.name == obstacle.chain.front())
          problem.at = wish.text->at;
    }
    problem.hint = "ask for other packages or versions, or add the repository that has what is missing";
    throw Error(ErrorKind::failed, std::move(problem));
  }

  [[nodiscard]] LockedPackage lock_package(const IndexedPackage& indexed) const {
    if (indexed.source >= verified_.size()) {
      const auto local = std::find_if(local_.begin(), local_.end(), [&](const LockedPackage& each) {
        return each.identity == indexed.identity;
      });
      return *local;
    }
    LockedPackage package{.name = std::string(indexed.name),
                          .version = std::string(indexed.version),
                          .arch = std::string(indexed.arch),
                          .size = indexed.size,
                          .repository = verified_[indexed.source].source.id(),
                          .identity = std::string(indexed.identity),
                          .tag = verified_[indexed.source].source.tag};
    package.path = package.arch + "/" + package.name + "-" + package.version + ".apk";
    package.automatic = std::none_of(wishes_.begin(), wishes_.end(),
                                     [&](const Wish& wish) { return wish.dependency.name == package.name; });
    return package;
  }

  void take_known_hash(LockedPackage& package) const {
    if (request_.previous == nullptr) return;
    for (const LockedPackage& old : request_.previous->packages())
      if (old.name == package.name && old.identity == package.identity && old.size == package.size)
        package.sha256 = old.sha256;
  }

  void fetch_packages() {
    std::vector<RemoteFile> files;
    for (std::size_t i = 0; i < packages_.size(); ++i) {
      LockedPackage& package = packages_[i];
      if (package.repository == "file" || package.repository == "url") continue;
      take_known_hash(package);
      if (!package.sha256.is_zero()) continue;
      files.push_back({.digest = sha256("apk " + package.identity + " " + package.path),
                       .size = package.size,
                       .urls = urls_of(verified_[chosen_[i]->source].source, package.path),
                       .label = package.name + " " + package.version,
                       .accept = [&package](int fd, const Digest& got) { return accept(package, fd, got); }});
    }
    tools_.fetcher.fetch(files, [](std::size_t) {});
  }

  [[nodiscard]] std::set<std::string> wanted_by(const std::string& part, bool is_last) const {
    std::set<std::string> names;
    for (const Wish& wish : wishes_) {
      const bool is_here =
          wish.text == nullptr ? is_last : wish.text->at.source && wish.text->at.source->name == part;
      if (is_here) names.emplace(wish.dependency.name);
    }
    return names;
  }

  [[nodiscard]] ChosenPackages requirements() const {
    ChosenPackages all;
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      all.provide(chosen_[i]->name, i);
      for (const Dependency& provided : chosen_[i]->provides) all.provide(provided.name, i);
      for (const Dependency& dependency : chosen_[i]->depends)
        if (!dependency.conflict) all.need(i, dependency.name);
    }
    return all;
  }

  /// What install_if brings is in no request's closure and goes last.
  void deal_layers(Resolution& resolution) const {
    std::map<std::string, std::string> world;  // a later request for a name takes an earlier one's place
    const std::vector<LayerSeed> seeds = layer_seeds(
        manifest_.parts, [&](const std::string& part, bool is_last) { return wanted_by(part, is_last); });
    const auto dealt = requirements().deal(seeds, packages_.size());
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      for (const Wish& wish : wishes_)
        if (seeds[i].wanted.contains(std::string(wish.dependency.name)))
          world[std::string(wish.dependency.name)] = text_of(wish.dependency);
      LockedLayer layer{.name = seeds[i].layer};
      for (const std::size_t package : dealt[i]) layer.packages.push_back(packages_[package]);
      if (!layer.packages.empty()) resolution.layers.push_back(std::move(layer));
      if (resolution.layers.empty()) continue;
      // A part whose packages are there already still has its say in the world.
      std::vector<std::string>& requests = resolution.layers.back().requests;
      requests.clear();
      for (const auto& [name, request] : world) requests.push_back(request);
    }
  }

  /// What is gone at the end: what the world without [packages] build and remove does not bring.
  void find_removed(Resolution& resolution) const {
    std::set<std::string> without;
    DiagnosticList problems;
    for (const Text& text : manifest_.packages.remove) {
      const bool is_chosen =
          std::any_of(packages_.begin(), packages_.end(),
                      [&](const LockedPackage& package) { return package.name == text.value; });
      std::vector<std::string> names;
      for (const LockedPackage& package : packages_) names.push_back(package.name);
      if (!is_chosen)
        problems.error("'" + text.value + "' is not installed, so it cannot be removed", text.at,
                       did_you_mean(text.value, names));
      without.insert(text.value);
    }
    problems.stop_if_errors();
    const bool has_build =
        std::any_of(wishes_.begin(), wishes_.end(), [](const Wish& wish) { return wish.build; });
    if (without.empty() && !has_build) return;
    const Solution solution = solve(false, without);
    if (!solution.obstacles.empty()) no_solution(solution.obstacles);
    std::set<std::string_view> stay;
    for (const std::uint32_t i : solution.packages) stay.insert(index_.packages()[i].name);
    for (const Text& text : manifest_.packages.remove)
      if (stay.contains(text.value))
        problems.error("'" + text.value + "' cannot be removed: other packages need it", text.at);
    problems.stop_if_errors();
    for (const LockedPackage& package : packages_)
      if (!stay.contains(package.name)) resolution.removed.push_back(package.name);
    std::sort(resolution.removed.begin(), resolution.removed.end());
  }

  const ResolveRequest& request_;
  const Manifest& manifest_;
  const ToolBox& tools_;
  std::string arch_;
  std::vector<VerifiedSource> verified_;
  std::vector<LockedPackage> local_;
  std::vector<std::string> local_texts_;
  PackageIndex index_;
  std::vector<Wish> wishes_;
  std::vector<const IndexedPackage*> chosen_;
  std::vector<LockedPackage> packages_;  ///< one for each chosen
};

}  // namespace

Resolution resolve(const ResolveRequest& request, const ToolBox& tools) {
  return Resolver(request, tools).run();
}

}  // namespace alephc::alpine
