// SPDX-License-Identifier: MIT
// One resolution for the whole manifest by apt's own solver, so that the set equals what apt-get would
// choose, then the packages are dealt out to layers: one a part of the manifest that asks for packages, each
// with what it needs and no earlier layer has. The base system goes with the first.
#include <algorithm>
#include <cerrno>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "decode/decode.hpp"
#include "distro/debian/apt.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/deb.hpp"
#include "distro/debian/debian.hpp"
#include "distro/debian/indexes.hpp"
#include "distro/debian/requests.hpp"
#include "distro/layers.hpp"
#include "distro/package_file.hpp"

namespace alephc::debian {
namespace {

constexpr std::int64_t kDefaultPin = 500;  // apt's own

/// As dpkg's status file has an installed package.
std::string installed_stanza(const IndexedPackage& package) {
  std::string out = "Package: " + std::string(package.name) +
                    "\nStatus: install ok installed\nVersion: " + std::string(package.version) +
                    "\nArchitecture: " + std::string(package.arch) + "\n";
  if (!package.multi_arch.empty()) out += "Multi-Arch: " + std::string(package.multi_arch) + "\n";
  if (package.essential) out += "Essential: yes\n";
  if (!package.depends.empty()) out += "Depends: " + std::string(package.depends) + "\n";
  if (!package.pre_depends.empty()) out += "Pre-Depends: " + std::string(package.pre_depends) + "\n";
  if (!package.provides.empty()) out += "Provides: " + std::string(package.provides) + "\n";
  return out + "\n";
}

/// A package given as a file.
struct LocalPackage {
  LockedPackage package{};
  std::string index_entry{};
};

LocalPackage read_local_package(const PackageFile& file, const Manifest& manifest, const ToolBox& tools) {
  const UniqueFd fd = open_package_file(file, manifest, tools);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw system_error("look at " + shown_name(file), errno);
  const Digest digest = file.path.empty() ? file.sha256 : sha256_fd(fd.get());
  ::lseek(fd.get(), 0, SEEK_SET);
  const std::string control = read_control(fd.get());
  std::string_view rest = control;
  const auto stanza = next_stanza(rest);
  if (!stanza || stanza->get("Package").empty())
    throw Error(ErrorKind::failed, "not a Debian package: its control file names none");
  LockedPackage package{.name = std::string(stanza->get("Package")),
                        .version = std::string(stanza->get("Version")),
                        .arch = std::string(stanza->get("Architecture")),
                        .size = static_cast<std::uint64_t>(info.st_size),
                        .sha256 = digest,
                        .repository = file.path.empty() ? "url" : "file",
                        .path = file.path.empty() ? file.url : file.path};
  std::string entry = std::string(trim(control)) + "\nFilename: ./" + package.name + "_" + package.arch +
                      ".deb\nSize: " + std::to_string(package.size) + "\nSHA256: " + digest.hex() + "\n\n";
  return {std::move(package), std::move(entry)};
}

/// The number of the distribution's source with the release itself; that of no source if there is none.
std::uint32_t own_suite(const std::vector<VerifiedSource>& sources, const BaseSpec& base) {
  const std::string& release = base.suites.empty() ? base.release : base.suites.front();
  const auto found = std::find_if(sources.begin(), sources.end(), [&](const VerifiedSource& each) {
    return each.source.name == base.distro && each.source.suite == release;
  });
  return static_cast<std::uint32_t>(found - sources.begin());
}

/// A package as dpkg and the lock name it: with its architecture where another one of its name is installed, too.
std::string unambiguous(const Request& wanted, const std::vector<LockedPackage>& packages,
                        const std::string& arch) {
  const auto count = std::count_if(packages.begin(), packages.end(),
                                   [&](const LockedPackage& package) { return package.name == wanted.name; });
  return count < 2 ? wanted.name : wanted.name + ":" + (wanted.arch.empty() ? arch : wanted.arch);
}

class Resolver {
 public:
  Resolver(const ResolveRequest& request, const ToolBox& tools)
      : request_(request), manifest_(request.manifest), tools_(tools), arch_(manifest_.base.arch) {}

  Resolution run() {
    const std::string date = request_.date.empty() ? manifest_.base.snapshot : request_.date;
    sources_ = sources_of(manifest_, request_.mirrors, date);
    find_foreign_archs();
    std::vector<std::string> archs = foreign_;
    archs.insert(archs.begin(), arch_);
    verified_ = fetch_indexes(sources_, archs, request_.previous, !date.empty(), tools_);
    load_index();
    apt_ = request_.apt.empty()
               ? provide_apt(index_, verified_, own_suite(verified_, manifest_.base), arch_, tools_)
               : apt_of_machine(request_.apt);
    read_local_packages();
    DiagnosticList problems;
    check_requests(manifest_.packages.install, index_, sources_, arch_, problems);
    check_requests(manifest_.packages.build, index_, sources_, arch_, problems);
    problems.stop_if_errors();
    collect_requests();
    const std::vector<Chosen> chosen = solve();
    Resolution resolution;
    lock_packages(chosen);
    deal_layers(resolution);
    find_removed(resolution);
    for (const VerifiedSource& verified : verified_) {
      resolution.repositories.push_back({.name = verified.source.name,
                                         .suite = verified.source.suite,
                                         .date = verified.release.date,
                                         .index = verified.in_release,
                                         .signer = verified.signer,
                                         .distribution_keyring = verified.source.distribution_keyring});
      resolution.newest_index = std::max(resolution.newest_index, verified.release.date);
    }
    resolution.resolver = "apt " + apt_.version;
    return resolution;
  }

 private:
  void find_foreign_archs() {
    for (const auto* list : {&manifest_.packages.install, &manifest_.packages.build}) {
      for (const Text& text : *list) {
        const Request request = parse_request(text.value);
        const bool foreign =
            !request.arch.empty() && request.arch != arch_ && request.arch != "all" && request.arch != "any";
        if (foreign && std::find(foreign_.begin(), foreign_.end(), request.arch) == foreign_.end())
          foreign_.push_back(request.arch);
      }
    }
    std::sort(foreign_.begin(), foreign_.end());
  }

  void load_index() {
    std::size_t count = 0;
    for (const VerifiedSource& verified : verified_) count += verified.packages.size();
    texts_.reserve(count);
    for (std::uint32_t i = 0; i < verified_.size(); ++i) {
      for (const PackagesFile& file : verified_[i].packages) {
        auto text = tools_.store.read_blob(file.digest);
        if (!text)
          throw Error(ErrorKind::failed, "a package index vanished from the store", "run the command again");
        texts_.push_back(std::move(*text));
        const std::int64_t pin = verified_[i].source.priority;
        index_.add(texts_.back(), i, pin == 0 ? kDefaultPin : pin);
      }
    }
  }

  /// Packages given as files: their control data becomes one more index.
  void read_local_packages() {
    for (const PackageFile& file : manifest_.packages.files)
      with_context("reading the package " + shown_name(file), [&] {
        const LocalPackage local = read_local_package(file, manifest_, tools_);
        local_text_ += local.index_entry;
        local_.push_back(local.package);
      });
    if (!local_.empty()) index_.add(local_text_, static_cast<std::uint32_t>(verified_.size()));
  }

  /// minbase: Essential + required + apt, and usr-is-merged where the release would otherwise take usrmerge.
  void collect_requests() {
    const std::uint32_t suite = own_suite(verified_, manifest_.base);
    std::set<std::string> base{"apt"};
    for (const IndexedPackage& package : index_.packages()) {
      if (package.source != suite || (package.arch != arch_ && package.arch != "all")) continue;
      if (package.essential || package.priority == "required") base.insert(std::string(package.name));
      if (package.essential || package.priority == "required") {
        for (const std::string_view field : {package.depends, package.pre_depends})
          if (field.find("usrmerge | usr-is-merged") != std::string_view::npos) base.insert("usr-is-merged");
      }
    }
    base_.assign(base.begin(), base.end());
    requests_ = base_;
    for (const auto* list : {&manifest_.packages.install, &manifest_.packages.build})
      for (const Text& text : *list) requests_.push_back(text.value);
    for (const LockedPackage& package : local_) requests_.push_back(package.name + "=" + package.version);
  }

  AptRoot make_root(bool keep) const {
    AptRoot root(apt_, tools_.store, verified_, arch_, foreign_, manifest_.packages.recommends);
    if (!local_.empty()) root.add_local(local_text_);
    if (!keep) return root;
    std::vector<Chosen> kept;
    for (const LockedPackage& package : request_.previous->packages())
      if (!request_.update_packages.contains(package.name) &&
          index_.find(package.name, package.version, package.arch))
        kept.push_back({package.name, package.version, package.arch});
    root.keep_versions(kept);
    return root;
  }

  std::vector<Chosen> solve() {
    tools_.reporter.progress("lock  choosing packages");
    const bool keep = request_.previous != nullptr && !request_.update_all;
    AptAnswer answer = make_root(keep).install(requests_);
    // A locked version stays unless it cannot: then everything may move.
    if (!answer.ok && keep) answer = make_root(false).install(requests_);
    if (!answer.ok) no_solution(answer.errors);
    return std::move(answer.install);
  }

  [[noreturn]] void no_solution(const std::string& errors) const {
    Diagnostic problem{.message = "these packages cannot be installed together"};
    std::set<std::string> direct;
    for (const Text& text : manifest_.packages.install) direct.insert(parse_request(text.value).name);
    for (const Text& text : manifest_.packages.build) direct.insert(parse_request(text.value).name);
    for (const LockedPackage& package : local_) direct.insert(package.name);
    const std::vector<std::string> from(direct.begin(), direct.end());
    for (const std::string& line : split(errors, '\n')) {
      if (trim(line).empty() || line.starts_with("The following packages")) continue;
      problem.context.push_back("apt: " + std::string(trim(line)));
      const std::string name = std::string(trim(line)).substr(0, trim(line).find(' '));
      const std::vector<std::string> chain = requirement_chain(from, name, index_);
      if (line.find(" : ") != std::string::npos && chain.size() > 1)
        problem.context.push_back("required by " + join(chain, " → "));
      for (const Text& text : manifest_.packages.install)
        if (!chain.empty() && parse_request(text.value).name == chain.front() && !problem.at)
          problem.at = text.at;
    }
    problem.hint =
        "ask for other packages or versions, or add the suite or repository that has what is missing";
    throw Error(ErrorKind::failed, std::move(problem));
  }

  void lock_packages(const std::vector<Chosen>& chosen) {
    for (const Chosen& each : chosen) {
      const IndexedPackage* found = index_.find(each.name, each.version, each.arch);
      check(found != nullptr, "apt chooses packages of the indexes it was given");
      LockedPackage package{.name = each.name,
                            .version = each.version,
                            .arch = each.arch,
                            .size = found->size,
                            .sha256 = found->sha256};
      if (found->source < verified_.size()) {
        package.repository = verified_[found->source].source.id();
        package.path = found->filename;
      } else {
        for (const LockedPackage& local : local_)
          if (local.name == each.name && local.version == each.version) package = local;
      }
      note_relations(*found, packages_.size());
      packages_.push_back(std::move(package));
      indexed_.push_back(found);
    }
  }

  void note_relations(const IndexedPackage& package, std::size_t number) {
    for (const auto& group : parse_relations(package.provides))
      for (const Relation& relation : group) all_.provide(relation.name, number);
    all_.provide(package.name, number);
    for (const std::string_view field : {package.pre_depends, package.depends})
      for (const auto& group : parse_relations(field))
        for (const Relation& relation : group) all_.need(number, relation.name);
  }

  void mark_automatic() {
    std::set<std::string> manual(base_.begin(), base_.end());
    for (const Text& text : manifest_.packages.install) manual.insert(parse_request(text.value).name);
    for (const LockedPackage& package : local_) manual.insert(package.name);
    std::set<std::string> essential;
    for (const IndexedPackage* package : indexed_)
      if (package->essential) essential.insert(std::string(package->name));
    // What the Essential packages need is there before apt is, and so never marked as automatic.
    const std::set<std::size_t> bootstrap = all_.closure(essential);
    for (std::size_t i = 0; i < packages_.size(); ++i) {
      packages_[i].bootstrap = bootstrap.contains(i);
      packages_[i].automatic = !manual.contains(packages_[i].name) && !bootstrap.contains(i);
    }
  }

  [[nodiscard]] std::set<std::string> wanted_by(const std::string& part, bool is_last, bool& is_first) const {
    std::set<std::string> wanted;
    for (const auto* list : {&manifest_.packages.install, &manifest_.packages.build})
      for (const Text& text : *list)
        if (text.at.source && text.at.source->name == part) wanted.insert(parse_request(text.value).name);
    if (is_last)
      for (const LockedPackage& package : local_) wanted.insert(package.name);
    if (is_first && (is_last || !wanted.empty())) {
      wanted.insert(base_.begin(), base_.end());
      is_first = false;
    }
    return wanted;
  }

  /// Recommended packages and the like are in no request's closure and go last.
  void deal_layers(Resolution& resolution) {
    mark_automatic();
    bool is_first = true;
    const std::vector<LayerSeed> seeds = layer_seeds(
        manifest_.parts,
        [&](const std::string& part, bool is_last) { return wanted_by(part, is_last, is_first); });
    const auto dealt = all_.deal(seeds, packages_.size());
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      LockedLayer layer{.name = seeds[i].layer};
      for (const std::size_t package : dealt[i]) layer.packages.push_back(packages_[package]);
      if (!layer.packages.empty()) resolution.layers.push_back(std::move(layer));
    }
  }

  /// What is gone at the end: [packages] remove and build,
  /// with what only they needed, as apt's autoremover sees it.
  void find_removed(Resolution& resolution) {
    std::vector<std::string> names;
    DiagnosticList problems;
    for (const Text& text : manifest_.packages.remove) check_removable(text, names, problems);
    for (const Text& text : manifest_.packages.build)
      names.push_back(unambiguous(parse_request(text.value), packages_, arch_));
    problems.stop_if_errors();
    if (names.empty()) return;
    std::string status;
    std::vector<Chosen> automatic;
    for (std::size_t i = 0; i < packages_.size(); ++i) {
      status += installed_stanza(*indexed_[i]);
      if (packages_[i].automatic)
        automatic.push_back({packages_[i].name, packages_[i].version, packages_[i].arch});
    }
    AptRoot root = make_root(false);
    root.set_installed(status, automatic);
    const AptAnswer answer = root.purge(names);
    if (!answer.ok) no_solution(answer.errors);
    for (const std::string& name : answer.remove)
      resolution.removed.push_back(unambiguous(parse_request(name), packages_, arch_));
    std::sort(resolution.removed.begin(), resolution.removed.end());
    resolution.removed.erase(std::unique(resolution.removed.begin(), resolution.removed.end()),
                             resolution.removed.end());
    keep_wanted(resolution.removed);
  }

  void check_removable(const Text& text, std::vector<std::string>& names, DiagnosticList& problems) const {
    const Request wanted = parse_request(text.value);
    const auto it = std::find_if(packages_.begin(), packages_.end(), [&](const LockedPackage& package) {
      return package.name == wanted.name && (wanted.arch.empty() || package.arch == wanted.arch);
    });
    if (it == packages_.end()) {
      std::vector<std::string> known;
      for (const LockedPackage& package : packages_) known.push_back(package.name);
      return problems.error("'" + text.value + "' is not installed, so it cannot be removed", text.at,
                            did_you_mean(text.value, known));
    }
    if (indexed_[static_cast<std::size_t>(it - packages_.begin())]->essential)
      return problems.error("'" + text.value + "' is essential and cannot be removed", text.at);
    names.push_back(text.value);
  }

  void keep_wanted(const std::vector<std::string>& removed) const {
    for (const Text& text : manifest_.packages.install) {
      const std::string name = unambiguous(parse_request(text.value), packages_, arch_);
      if (!std::binary_search(removed.begin(), removed.end(), name)) continue;
      Diagnostic problem{
          .message = "'" + name + "' is to be installed, but removing other packages takes it away",
          .at = text.at};
      problem.hint = "take it out of 'install', or what it needs out of 'remove' and 'build'";
      throw Error(ErrorKind::failed, std::move(problem));
    }
  }

  const ResolveRequest& request_;
  const Manifest& manifest_;
  const ToolBox& tools_;
  std::string arch_;
  std::vector<std::string> foreign_;
  std::vector<Source> sources_;
  std::vector<VerifiedSource> verified_;
  std::vector<std::string> texts_;
  std::string local_text_;
  std::vector<LockedPackage> local_;
  PackageIndex index_;
  AptProgram apt_;
  std::vector<std::string> base_;
  std::vector<std::string> requests_;
  std::vector<LockedPackage> packages_;
  std::vector<const IndexedPackage*> indexed_;  ///< one a package
  ChosenPackages all_;
};

}  // namespace

Resolution resolve(const ResolveRequest& request, const ToolBox& tools) {
  return Resolver(request, tools).run();
}

}  // namespace alephc::debian
