// SPDX-License-Identifier: MIT
#include "pipeline/language_packages.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "decode/decode.hpp"
#include "distro/traits.hpp"
#include "graph/run.hpp"
#include "language/npm/registry.hpp"
#include "lock/lock_file.hpp"
#include "manifest/merge.hpp"
#include "pipeline/step_tools.hpp"
#include "resolve/wheels.hpp"
#include "steps/workplace.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

const FetchAdvice kIndexAdvice{
    .promise = "the lock",
    .wrong_bytes = "the index is broken or tampered with: name another one with PIP_INDEX_URL",
    .missing = "name an index that has it with PIP_INDEX_URL, or move on with 'alephc lock --update'"};
const FetchAdvice kRegistryAdvice{
    .promise = "package-lock.json",
    .wrong_bytes = "the registry is broken or tampered with: name another one with NPM_CONFIG_REGISTRY",
    .missing = "name a registry that has it with NPM_CONFIG_REGISTRY"};

/// The one file of pip that names its default index.
class PipSource : public ArchiveSink {
 public:
  void begin_entry(const std::string& /*member*/, Entry entry) override {
    wanted_ = entry.path.ends_with("/pip/_internal/models/index.py");
  }
  void data(std::string_view bytes) override {
    if (wanted_) text += bytes;
  }
  void end_entry() override { wanted_ = false; }

  std::string text;

 private:
  bool wanted_ = false;
};

std::string_view pip_package_name(const Manifest& manifest) {
  return distro_traits(manifest.base.distro).pip_package;
}

const LockedPackage* pip_package(const Manifest& manifest, const Lock& lock) {
  for (const LockedPackage& package : lock.packages())
    if (package.name == pip_package_name(manifest)) return &package;
  return nullptr;
}

/// Asked for only where the machine's configuration says nothing.
std::string fallback_index(const Manifest& manifest, const Lock& lock, const Session& session) {
  const LockedPackage* pip = pip_package(manifest, lock);
  if (pip == nullptr) return {};
  const Distro& distro = distro_of(manifest.base.distro);
  for (const RemoteFile& file : distro.package_files(manifest, lock, session.settings().mirrors))
    if (file.digest == pip->sha256) session.fetcher().fetch({file}, [](std::size_t) {});
  const auto blob = session.store().open_blob(pip->sha256);
  return blob ? default_python_index(blob->get(), distro.package_kind()) : std::string();
}

std::vector<std::string> known_indexes(const Manifest& manifest, const Lock& lock, const Session& session) {
  const PipSettings machine = machine_pip_settings();
  const bool known = !manifest.python.index.empty() || !machine.index.empty();
  const std::string fallback = known ? std::string() : fallback_index(manifest, lock, session);
  return python_indexes(manifest.python, machine, fallback);
}

const Value* python_table(const Lock& lock) {
  return lock.manifest.find("python");
}

/// What decides the choice: the table without what only
/// installing looks at, the files it names, and Python itself.
std::string python_text(const Lock& lock, const Manifest& manifest) {
  Value part;
  if (const Value* python = python_table(lock)) part.members.emplace("python", *python);
  if (const auto it = part.members.find("python"); it != part.members.end()) {
    it->second.members.erase("target");
    it->second.members.erase("optimize");
  }
  std::string text = canonical_text(part);
  const PythonSpec& spec = manifest.python;
  for (const auto* files : {&spec.requirements_files, &spec.constraints_files, &spec.lock_files})
    for (const std::string& file : *files)
      for (const LockedInput& input : lock.inputs)
        if (input.path == file) text += input.path + " " + input.sha256.hex() + "\n";
  for (const LockedPackage& package : lock.packages())
    if (package.name == "python3" || package.name == "python3-minimal" ||
        package.name == pip_package_name(manifest))
      text += package.name + " " + package.version + " " + package.arch + "\n";
  return text;
}

PythonLockFile read_lock_file(const Manifest& manifest) {
  if (manifest.python.lock_files.empty()) return {};
  const std::string& file = manifest.python.lock_files.front();
  return read_python_lock(file, read_file(manifest.content_of(file)));
}

/// Versions of before as constraints, but for what is to move.
std::vector<std::string> preferences(const ResolveRequest& request) {
  std::vector<std::string> kept;
  if (request.previous == nullptr || request.update_all) return kept;
  for (const LockedWheel& wheel : request.previous->wheels)
    if (!request.update_packages.contains(wheel.name)) kept.push_back(wheel.name + "==" + wheel.version);
  return kept;
}

/// The tree as it is when Python packages are installed. Nothing below the step that installs them depends on which
/// they are.
Tree python_tree(const Manifest& manifest, const Lock& lock, const std::string& text,
                 const Session& session) {
  require_root(session.settings());
  const StepTools tools(manifest, lock, session);
  const BuildGraph graph = plan_below_python({manifest, lock, text, epoch_of(lock)});
  return open_tree(run_steps(graph, tools.run, ""), session.store(), session.reporter());
}

/// Chooses and downloads in a tree, with its own Python.
class PythonWorkplace {
 public:
  PythonWorkplace(const Manifest& manifest, const Lock& lock, const Session& session)
      : session_(session), epoch_(epoch_of(lock)) {
    const std::string text = lock_text(lock);
    log_ = session.store().log_path(sha256(text), "lock:python");
    tree_ = python_tree(manifest, lock, text, session);
  }

  [[nodiscard]] std::vector<LockedWheel> resolve(const PythonRequest& request) const {
    const Store& store = session_.store();
    const WorkFolder work = store.make_work_folder();
    KnownContents known;
    const PackageSupply nothing(store, session_.fetcher());
    const SandboxPlace place{.below = tree_,
                             .upper = work.path() / "upper",
                             .scratch = work.path() / "scratch",
                             .log = log_,
                             .known = known,
                             .contents = nothing,
                             .room = epoch_.room,
                             .runner = session_.runner(),
                             .store = store,
                             .reporter = session_.reporter()};
    fs::remove(log_);
    make_folders(place.scratch, 0700);
    prepare_upper(tree_, place.upper);
    return resolve_wheels(request, store, place, session_.reporter());
  }

 private:
  const Session& session_;
  OutputEpoch epoch_;
  fs::path log_;
  Tree tree_;
};

void lock_wheels(Lock& lock, const ResolveRequest& request, const Session& session) {
  const Manifest& manifest = request.manifest;
  if (!manifest.python.wanted()) return;
  const Lock* before = request.previous;
  const bool asked = request.update_all ||
                     (before != nullptr && std::any_of(before->wheels.begin(), before->wheels.end(),
                                                       [&](const LockedWheel& wheel) {
                                                         return request.update_packages.contains(wheel.name);
                                                       }));
  if (before != nullptr && !asked && !before->wheels.empty() &&
      python_text(*before, manifest) == python_text(lock, manifest)) {
    lock.wheels = before->wheels;
    return;
  }
  if (session.settings().offline)
    throw Error(ErrorKind::failed, "Python packages must be chosen, but --offline forbids the network");
  if (pip_package(manifest, lock) == nullptr)
    throw Error(ErrorKind::failed,
                std::vector{Diagnostic{
                    .message = "[python] needs pip in the target while it is installed",
                    .at = manifest.python.at,
                    .hint = "add " + std::string(pip_package_name(manifest)) + " to packages.build"}});
  const PythonWorkplace workplace(manifest, lock, session);
  const PythonLockFile lock_file = read_lock_file(manifest);
  PythonRequest wanted{.manifest = manifest,
                       .lock_file = lock_file,
                       .indexes = known_indexes(manifest, lock, session),
                       .preferences = preferences(request)};
  session.reporter().progress("resolve Python packages");
  try {
    lock.wheels = workplace.resolve(wanted);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::failed || wanted.preferences.empty()) throw;
    wanted.preferences.clear();
    lock.wheels = workplace.resolve(wanted);
  }
}

NpmTarget npm_target(const Manifest& manifest) {
  return {.cpu = manifest.base.arch == "arm64" ? "arm64" : "x64",
          .libc = std::string(distro_traits(manifest.base.distro).libc),
          .production = manifest.node.production};
}

std::vector<NpmPackage> project_modules(const Manifest& manifest, Reporter* reporter) {
  const std::string& file = manifest.node.lockfile;
  if (file.empty()) return {};
  return read_package_lock(file, read_file(manifest.content_of(file)), npm_target(manifest), reporter);
}

void lock_modules(Lock& lock, const ResolveRequest& request, const Session& session) {
  const std::vector<NpmPackage> packages = project_modules(request.manifest, &session.reporter());
  struct Known {
    Digest sha256{};
    std::uint64_t size = 0;
  };
  std::map<std::string, Known> known;  // by integrity, which names the bytes
  if (request.previous != nullptr)
    for (const LockedModule& module : request.previous->modules)
      known[module.integrity] = {module.sha256, module.size};
  std::vector<RemoteFile> files;
  for (const NpmPackage& package : packages) {
    const auto [place, is_new] = known.try_emplace(package.integrity);
    if (!is_new) continue;
    Known& found = place->second;
    files.push_back(
        {.digest = sha256(package.integrity),
         .limit = 1ULL << 30U,
         .label = package.name + "@" + package.version,
         .advice = kRegistryAdvice,
         .locate = [package] { return locate_module(package); },
         .accept = [&found, integrity = package.integrity](int fd, const Digest& got) -> std::string {
           if (!has_integrity(fd, integrity)) return "is not what package-lock.json promises";
           found = {got, static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_END))};
           return {};
         }});
  }
  session.fetcher().fetch(files, [](std::size_t) {});
  for (const NpmPackage& package : packages) {
    const Known& found = known.at(package.integrity);
    lock.modules.push_back({.path = package.path,
                            .name = package.name,
                            .version = package.version,
                            .integrity = package.integrity,
                            .bins = package.bins,
                            .size = found.size,
                            .sha256 = found.sha256});
  }
}

}  // namespace

std::string default_python_index(int package_fd, ArchiveKind kind) {
  PipSource source;
  decode_archive(package_fd, kind, source);
  const std::size_t at = source.text.find("PyPI = PackageIndex(");
  const std::size_t open = at == std::string::npos ? at : source.text.find_first_of("\"'", at);
  const std::size_t close = open == std::string::npos ? open : source.text.find(source.text[open], open + 1);
  if (close == std::string::npos) return {};
  const std::string url = source.text.substr(open + 1, close - open - 1);
  return url + (url.ends_with('/') ? "" : "/") + "simple";
}

void lock_language_packages(Lock& lock, const ResolveRequest& request, const Session& session) {
  lock_modules(lock, request, session);
  lock_wheels(lock, request, session);
}

std::vector<std::string> language_contradictions(const Manifest& manifest, const Lock& lock) {
  std::vector<std::string> found = contradictions(lock.wheels, read_lock_file(manifest));
  if (manifest.python.wanted() == lock.wheels.empty())
    found.emplace_back("[python] and the lock's Python packages do not go together");
  const auto same = [](const NpmPackage& package, const LockedModule& module) {
    return package.path == module.path && package.name == module.name && package.version == module.version &&
           package.integrity == module.integrity && package.bins == module.bins;
  };
  const std::vector<NpmPackage> packages = project_modules(manifest, nullptr);
  if (!std::equal(packages.begin(), packages.end(), lock.modules.begin(), lock.modules.end(), same))
    found.push_back("the lock's npm packages are not those of " + manifest.node.lockfile);
  return found;
}

std::vector<RemoteFile> language_files(const Manifest& manifest, const Lock& lock, const Session& session) {
  std::vector<RemoteFile> files;
  // Found out for the first file that is missing, and the same for all.
  const auto indexes = std::make_shared<std::optional<std::vector<std::string>>>();
  const auto modules = std::make_shared<std::optional<std::vector<NpmPackage>>>();
  for (const LockedWheel& wheel : lock.wheels)
    files.push_back({.digest = wheel.sha256,
                     .size = wheel.size,
                     .label = wheel.file,
                     .advice = kIndexAdvice,
                     .locate = [&manifest, &lock, &session, indexes, wheel] {
                       if (!*indexes) *indexes = known_indexes(manifest, lock, session);
                       return locate_wheel(wheel, **indexes, session.fetcher());
                     }});
  for (const LockedModule& module : lock.modules)
    files.push_back({.digest = module.sha256,
                     .size = module.size,
                     .label = module.name + "@" + module.version,
                     .advice = kRegistryAdvice,
                     .locate = [&manifest, modules, module] {
                       // Where it was locked stands in the package-lock only.
                       if (!*modules) *modules = project_modules(manifest, nullptr);
                       for (const NpmPackage& package : **modules)
                         if (package.path == module.path) return locate_module(package);
                       return locate_module({.name = module.name, .version = module.version});
                     }});
  return files;
}

}  // namespace alephc
