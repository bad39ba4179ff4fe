// SPDX-License-Identifier: MIT
#include "execute/sandbox_steps.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/root_folder.hpp"
#include "execute/package_parts.hpp"
#include "sandbox/run_checked.hpp"
#include "store/layer_contents.hpp"
#include "tree/layer_writer.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScript = "/run/alephc/script";
constexpr const char* kInputs = "/run/alephc/inputs/";

constexpr const char* kResolver = "etc/resolv.conf";

}  // namespace

SandboxOptions sandbox_options(const Workplace& place) {
  return {
      .root = sandbox_root(place.below, place.upper, place.scratch), .log = place.log, .vary = place.vary};
}

void stage_project_file(const fs::path& from, const fs::path& to) {
  if (fs::is_symlink(fs::symlink_status(from))) return fs::copy_symlink(from, to);
  if (fs::is_directory(from)) {
    make_folders(to);
    const UniqueFd dir = open_file(from, O_RDONLY | O_DIRECTORY);
    for (const std::string& name : list_folder(dir.get()))
      if (name != ".git") stage_project_file(from / name, to / name);
    return;
  }
  make_folders(to.parent_path());
  struct stat info {};
  const UniqueFd source = open_file(from, O_RDONLY);
  if (::fstat(source.get(), &info) != 0) throw system_error("look at " + from.string(), errno);
  const UniqueFd target = open_file(to, O_WRONLY | O_CREAT | O_EXCL);
  copy_bytes(source.get(), target.get());
  if (::fchmod(target.get(), (info.st_mode & 0100U) != 0 ? 0755 : 0644) != 0)
    throw system_error("chmod " + to.string(), errno);
}

void remove_mount_points(const fs::path& upper) {
  const UniqueFd run(::open((upper / "run").c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (run) remove_tree_at(run.get(), "alephc");
}

NetworkNames::NetworkNames(const Workplace& place)
    : upper_(place.upper), present_(place.below.find(kResolver) != nullptr || upper_.has(kResolver)) {
  if (present_) return;
  if (const auto text = read_file_if_exists("/etc/resolv.conf")) upper_.write(kResolver, *text);
}

void NetworkNames::take_back() const {
  if (!present_) upper_.remove(kResolver);
}

void prepare_upper(const Tree& tree, const fs::path& upper) {
  make_folders(upper);
  if (::chmod(upper.c_str(), 0755) != 0) throw system_error("chmod " + upper.string(), errno);
  if (tree.layers().empty()) return;
  LayerWriter writer(upper, &tree.entries(), 0);
  if (const Entry* root = tree.find("")) writer.put(*root);
  for (const Entry& entry : tree.entries()) {
    if (entry.hard_link.empty()) continue;
    const Entry* first = tree.find(entry.hard_link);
    if (writer.find(first->path) == nullptr) {
      if (first->type == EntryType::regular)
        writer.put_file(*first, tree.open_content(*first).get());
      else
        writer.put(*first);
    }
    writer.put(entry);
  }
  (void)writer.finish();
}

namespace {

/// A package of the project: an input with the locked hash, and nothing else that a path may lead to.
UniqueFd open_project_package(const LockedPackage& package, const StepEnvironment& env) {
  for (const LockedInput& input : env.lock.inputs) {
    if (input.path != package.path || input.sha256 != package.sha256) continue;
    UniqueFd fd = open_file(env.manifest.folder / package.path, O_RDONLY | O_NOFOLLOW);
    if (sha256_fd(fd.get()) != package.sha256) break;
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
  }
  throw Error(ErrorKind::integrity, "the package file '" + package.path + "' is not the locked one",
              "run 'alephc lock'");
}

UniqueFd open_package(const LockedPackage& package, const StepEnvironment& env) {
  if (package.repository == "file") return open_project_package(package, env);
  return env.supply.open(package.sha256, package.name + " " + package.version);
}

}  // namespace

void run_install(const Step& step, const StepEnvironment& env, const Workplace& place) {
  LayerContents contents(env.store);
  const InstallJob job{.manifest = env.manifest,
                       .lock = env.lock,
                       .layer = step.item,
                       .below = place.below,
                       .upper = place.upper,
                       .scratch = place.scratch,
                       .log = place.log,
                       .jobs = env.jobs,
                       .known = place.known,
                       .vary = place.vary,
                       .decode_package =
                           [&](const LockedPackage& package) {
                             return take_apart({.digest = package.sha256,
                                                .kind = env.distro.package_kind(),
                                                .label = package.name + " " + package.version,
                                                .open = [&] { return open_package(package, env); }},
                                               env.store, contents, place.scratch / "decoded");
                           },
                       .unpacked =
                           [&](bool complete) {
                             const bool nearly_whole = complete && step.item == 0;
                             if (env.blocks != nullptr) env.blocks->start(place.upper, nearly_whole);
                           }};
  env.distro.install(job, env.reporter);
}

void run_commands(const std::string& doing, const std::vector<SandboxCommand>& commands,
                  const Workplace& place) {
  run_checked(sandbox_options(place), commands, doing);
}

void run_script(const RunSpec& run, const StepEnvironment& env, const Workplace& place) {
  const fs::path staging = place.scratch / "inputs";
  make_folders(staging);
  const fs::path script = place.scratch / "script";
  const std::string text = run.source.empty() ? run.script : read_file(env.manifest.folder / run.source);
  atomic_write(script, text, 0755);
  for (const std::string& input : run.inputs)
    stage_project_file(env.manifest.folder / input, staging / input);
  SandboxOptions options = sandbox_options(place);
  options.network = run.network;
  options.read_only = {{script, kScript},
                       {staging, std::string(kInputs).substr(0, std::string(kInputs).size() - 1)}};
  SandboxCommand command{.argv = {"/bin/sh", "-eu", kScript}, .env = run.env, .user = run.user};
  if (text.starts_with("#!")) command.argv = {kScript};
  std::optional<NetworkNames> names;
  if (run.network) names.emplace(place);
  run_checked(options, {command}, "the script '" + run.name + "'");
  if (names) names->take_back();
  remove_mount_points(place.upper);
}

}  // namespace alephc
