// SPDX-License-Identifier: MIT
#include "pipeline/locking.hpp"

#include <algorithm>
#include <optional>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/trace.hpp"
#include "lock/lock_file.hpp"
#include "manifest/load.hpp"
#include "manifest/merge.hpp"
#include "manifest/stdlib.hpp"
#include "pipeline/language_packages.hpp"
#include "project/read_project.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

void show_warnings(const Manifest& manifest, Reporter& reporter) {
  for (const Diagnostic& warning : manifest.warnings) reporter.diagnostic(warning);
}

[[noreturn]] void stale(const std::string& why, const fs::path& lock_file) {
  throw Error(ErrorKind::failed, lock_file.filename().string() + " is stale: " + why,
              "run 'alephc lock' and commit the result");
}

[[noreturn]] void forged(const fs::path& lock_file, const std::string& why) {
  throw Error(ErrorKind::integrity, lock_file.filename().string() + " was changed: " + why,
              "restore it from version control, or make it again with 'alephc lock'");
}

/// The manifest with the stdlib as the lock recorded it, so that a part of a later alephc changes nothing. A record is
/// believed only if some alephc shipped that text.
Manifest manifest_as_locked(const fs::path& path, const std::optional<Lock>& lock,
                            const fs::path& lock_file) {
  if (!lock) return load_manifest(path);
  constexpr std::string_view kPrefix = "stdlib:";
  for (const StdlibPart& part : lock->parts)
    if (!part.name.starts_with(kPrefix) ||
        !is_stdlib_text(part.name.substr(kPrefix.size()), sha256(part.text)))
      forged(lock_file, "its text of '" + part.name + "' is of no alephc up to this version");
  return load_manifest(path, lock->parts);
}

/// Why no 'alephc lock' can have made it; empty if one can.
std::string impossible_lock(const Manifest& manifest, const Lock& lock) {
  std::int64_t newest = latest_epoch().room.time;
  for (const LockedRepository& repository : lock.repositories) newest = std::max(newest, repository.date);
  if (lock.source_date_epoch < 0 || lock.source_date_epoch > newest)
    return "its date is of none of its indexes";
  if (manifest.base.distro == "none" && !lock.layers.empty())
    return "it has packages, and runtime.toml has no distribution";
  if (manifest.archives.size() != lock.archives.size()) return "its archives are not those of runtime.toml";
  for (const ArchiveSpec& archive : manifest.archives) {
    const auto locked = std::find_if(lock.archives.begin(), lock.archives.end(),
                                     [&](const LockedArchive& each) { return each.name == archive.name; });
    if (locked == lock.archives.end()) return "it has no archive '" + archive.name + "'";
    if (archive.source.empty()) continue;
    for (const LockedInput& input : lock.inputs)
      if (input.path == archive.source && input.kind != "link" && input.sha256 != locked->sha256)
        return "its archive '" + archive.name + "' is not the project's file";
  }
  return {};
}

/// What runtime.toml and the recorded parts make must be what the lock says it was made for: whoever reviews the one must
/// not be given the other. Returns why the lock is stale; empty if it is not.
std::string check_locked_manifest(const Manifest& manifest, const Lock& lock, const fs::path& lock_file) {
  if (const std::string why = impossible_lock(manifest, lock); !why.empty()) forged(lock_file, why);
  const bool same = manifest.digest == lock.manifest_digest && manifest.text == canonical_text(lock.manifest);
  if (same) return {};
  const auto is_recorded = [&](const StdlibPart& part) {
    return std::find(lock.parts.begin(), lock.parts.end(), part) != lock.parts.end();
  };
  if (!std::all_of(manifest.stdlib.begin(), manifest.stdlib.end(), is_recorded))
    return "it does not record the parts of the stdlib that it was made with";
  forged(lock_file, "its manifest is not the one of " + manifest.file.filename().string());
}

/// Packages of the distribution first, then what is chosen in the tree that they make.
Lock make_lock(const ResolveRequest& request, const std::vector<LockedInput>& inputs,
               const Session& session) {
  Lock lock = resolve_lock(request, inputs, session.tools());
  lock_language_packages(lock, request, session);
  return lock;
}

/// Resolves again, and writes the lock.
Lock renew_lock(const Manifest& manifest, const std::optional<Lock>& before,
                const std::vector<LockedInput>& inputs, const std::string& why, const Session& session) {
  const fs::path file = lock_path_of(manifest.file);
  const ResolveRequest request{.manifest = manifest,
                               .previous = before ? &*before : nullptr,
                               .mirrors = session.settings().mirrors,
                               .apt = session.settings().apt};
  Lock lock = make_lock(request, inputs, session);
  atomic_write(file, lock_text(lock));
  session.reporter().note("locked  " + file.string() + " (" + why + ")");
  if (before) session.reporter().note(change_text(compare_locks(&*before, lock)));
  return lock;
}

/// Packages that are to move must be in the lock.
void check_names(const std::set<std::string>& names, const std::optional<Lock>& lock) {
  const auto knows = [&](const std::string& name) {
    const auto packages = lock->packages();
    return std::any_of(packages.begin(), packages.end(),
                       [&](const LockedPackage& each) { return each.name == name; }) ||
           std::any_of(lock->wheels.begin(), lock->wheels.end(),
                       [&](const LockedWheel& each) { return each.name == name; });
  };
  for (const std::string& name : names)
    if (!lock || !knows(name)) throw Error(ErrorKind::usage, "the lock has no package '" + name + "'");
}

}  // namespace

LockedRuntime load_locked(const fs::path& path, StaleLock policy, const Session& session) {
  const TraceSpan span("lock", "manifest and lock");
  LockedRuntime out;
  const fs::path lock_file = lock_path_of(find_manifest(path));
  std::optional<Lock> lock = read_lock(lock_file);
  out.manifest = manifest_as_locked(path, lock, lock_file);
  std::vector<LockedInput> inputs = read_project(out.manifest, session.store());
  std::string why =
      lock ? staleness(*lock, out.manifest, inputs) : lock_file.filename().string() + " does not exist";
  if (why.empty()) why = check_locked_manifest(out.manifest, *lock, lock_file);
  if (!why.empty()) {
    if (policy == StaleLock::refuse && !lock)
      throw Error(ErrorKind::failed, why + ", and this command does not make it",
                  "run 'alephc lock' and commit the result");
    if (policy == StaleLock::refuse) stale(why, lock_file);
    out.manifest = load_manifest(path);
    inputs = read_project(out.manifest, session.store());
  }
  show_warnings(out.manifest, session.reporter());
  if (!why.empty()) lock = renew_lock(out.manifest, lock, inputs, why, session);
  out.lock_text = lock_text(*lock);
  out.lock = std::move(*lock);
  return out;
}

LockOutcome lock_runtime(const LockRequest& request, const Session& session) {
  LockOutcome outcome{.file = lock_path_of(find_manifest(request.path))};
  if (request.check && fs::exists(outcome.file)) {
    (void)open_committed(request.path, session);
    return outcome;
  }
  Manifest manifest = load_manifest(request.path);
  show_warnings(manifest, session.reporter());
  const std::vector<LockedInput> inputs = read_project(manifest, session.store());
  if (request.check) stale("it does not exist", outcome.file);
  const std::optional<Lock> before = read_lock(outcome.file);
  check_names(request.update_packages, before);
  const ResolveRequest resolve{.manifest = manifest,
                               .previous = before ? &*before : nullptr,
                               .update_all = request.update_all || request.outdated,
                               .update_packages = request.update_packages,
                               .date = request.date,
                               .mirrors = session.settings().mirrors,
                               .apt = session.settings().apt};
  const Lock lock = make_lock(resolve, inputs, session);
  outcome.change = compare_locks(resolve.previous, lock);
  if (request.outdated) return outcome;
  const std::string text = lock_text(lock);
  if (!before || lock_text(*before) != text) {
    atomic_write(outcome.file, text);
    outcome.written = true;
  }
  return outcome;
}

}  // namespace alephc
