// SPDX-License-Identifier: MIT
#include "resolve/resolve.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "guest/guest_files.hpp"
#include "language/npm/registry.hpp"
#include "lock/lock_file.hpp"
#include "manifest/merge.hpp"

namespace alephc {
namespace {

/// A locked package of any kind, as a change shows it.
struct Shown {
  std::string name{};
  std::string version{};
  std::uint64_t size = 0;
  Digest sha256{};
};
using PackageMap = std::map<std::pair<std::string, std::string>, Shown>;

PackageMap packages_of(const Lock* lock) {
  PackageMap packages;
  if (lock == nullptr) return packages;
  for (const LockedPackage& package : lock->packages())
    packages[{package.name, package.arch}] = {package.name, package.version, package.size, package.sha256};
  for (const LockedWheel& wheel : lock->wheels)
    packages[{wheel.name, "python"}] = {"python " + wheel.name, wheel.version, wheel.size, wheel.sha256};
  for (const LockedModule& module : lock->modules)
    packages[{module.path, "npm"}] = {"npm " + module.path.substr(std::string_view("node_modules/").size()),
                                      module.version, module.size, module.sha256};
  return packages;
}

/// The tables that decide which packages are chosen.
std::string package_text(const Value& flat) {
  Value part;
  for (const char* table : {"base", "packages", "repository"})
    if (const Value* value = flat.find(table)) part.members.emplace(table, *value);
  if (const auto it = part.members.find("base"); it != part.members.end()) {
    it->second.members.erase("image_sources");
    it->second.members.erase("mirrors");
  }
  if (const auto it = part.members.find("packages"); it != part.members.end()) {
    it->second.members.erase("exclude_paths");
    it->second.members.erase("debconf");
  }
  return canonical_text(part);
}

std::vector<LockedInput> package_inputs(const std::vector<LockedInput>& inputs, const Manifest& manifest) {
  std::vector<LockedInput> found;
  for (const LockedInput& input : inputs) {
    const bool is_package = std::any_of(manifest.packages.files.begin(), manifest.packages.files.end(),
                                        [&](const PackageFile& file) { return file.path == input.path; });
    if (is_package) found.push_back(input);
  }
  return found;
}

bool packages_decided_alike(const Lock& lock, const Manifest& manifest, const Value& flat,
                            const std::vector<LockedInput>& inputs) {
  return package_text(lock.manifest) == package_text(flat) &&
         package_inputs(lock.inputs, manifest) == package_inputs(inputs, manifest);
}

/// Its bytes are taken as they are now, unless an integrity says what they must be.
LockedArchive fetch_archive(const ArchiveSpec& archive, const ToolBox& tools) {
  LockedArchive locked{.name = archive.name};
  RemoteFile file = archive_file(archive);
  file.digest = sha256("archive " + archive.name + " " + archive.integrity);
  file.resumed = !archive.integrity.empty();
  file.limit = 4ULL << 30U;
  file.accept = [&](int fd, const Digest& got) -> std::string {
    if (!archive.integrity.empty() && !has_integrity(fd, archive.integrity))
      return "is not what its integrity says";
    locked.sha256 = got;
    locked.size = static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_END));
    return {};
  };
  tools.fetcher.fetch({file}, [](std::size_t) {});
  if (!archive.integrity.empty()) return locked;
  tools.reporter.diagnostic({.severity = Severity::warning,
                             .message = "the archive '" + archive.name + "' has no hash: pinned as it is now",
                             .at = archive.at,
                             .hint = "add sha256 = \"" + locked.sha256.hex() + "\""});
  return locked;
}

/// An archive whose integrity changed is another one.
bool names_same(const ResolveRequest& request, const ArchiveSpec& archive) {
  const auto entry_of = [&](const Value& flat) -> std::string {
    const Value* entries = flat.find("archive");
    if (entries == nullptr) return {};
    for (const Value& entry : entries->items) {
      const Value* name = entry.find("name");
      if (name == nullptr || name->text != archive.name) continue;
      std::string text;
      for (const char* key : {"npm", "integrity", "version", "url"}) {
        const Value* value = entry.find(key);
        if (value == nullptr) continue;
        text += std::string(key) + " " + value->text + "\n";
        for (const Value& item : value->items) text += item.text + "\n";
      }
      return text;
    }
    return {};
  };
  return entry_of(request.previous->manifest) == entry_of(request.manifest.value);
}

std::vector<LockedArchive> lock_archives(const ResolveRequest& request,
                                         const std::vector<LockedInput>& inputs, const ToolBox& tools) {
  std::vector<LockedArchive> locked;
  for (const ArchiveSpec& archive : request.manifest.archives) {
    if (!archive.source.empty()) {
      for (const LockedInput& input : inputs)
        if (input.path == archive.source) locked.push_back({archive.name, 0, input.sha256});
      continue;
    }
    if (!archive.sha256.is_zero()) {
      locked.push_back({archive.name, 0, archive.sha256});
      continue;
    }
    const LockedArchive* before = nullptr;
    if (request.previous != nullptr && !request.update_all)
      for (const LockedArchive& old : request.previous->archives)
        if (old.name == archive.name && names_same(request, archive)) before = &old;
    if (before != nullptr) {
      locked.push_back(*before);
      continue;
    }
    locked.push_back(fetch_archive(archive, tools));
  }
  return locked;
}

/// Results of scripts with network that are still in the manifest; an update forgets them.
std::vector<LockedRun> kept_pins(const ResolveRequest& request) {
  std::vector<LockedRun> kept;
  if (request.previous == nullptr || request.update_all) return kept;
  for (const LockedRun& pin : request.previous->runs)
    for (const RunSpec& run : request.manifest.runs)
      if (run.network && run.name == pin.name) kept.push_back(pin);
  return kept;
}

/// The locked ones stay until told, so that a later alephc changes no image by itself; another epoch changes it anyway.
std::vector<LockedGuestFile> lock_guest_files(const ResolveRequest& request) {
  if (request.manifest.init.program == InitSpec::Program::none) return {};
  const Lock* before = request.previous;
  if (before != nullptr && before->epoch == latest_epoch().id && !request.update_all &&
      !before->guest_files.empty())
    return before->guest_files;
  std::vector<LockedGuestFile> files;
  for (const GuestFile& file : guest_files()) files.push_back({std::string(file.name), file.sha256});
  return files;
}

}  // namespace

LockChange compare_locks(const Lock* before, const Lock& after) {
  LockChange change;
  const PackageMap old_packages = packages_of(before);
  const PackageMap new_packages = packages_of(&after);
  for (const auto& [name, package] : new_packages) {
    const auto old = old_packages.find(name);
    if (old == old_packages.end())
      change.added.push_back(package.name + " " + package.version + " (" + human_size(package.size) + ")");
    else if (old->second.version != package.version)
      change.changed.push_back(package.name + " " + old->second.version + " → " + package.version);
    else if (old->second.sha256 != package.sha256)
      change.changed.push_back(package.name + " " + package.version + " has other bytes");
  }
  for (const auto& [name, package] : old_packages)
    if (!new_packages.contains(name)) change.removed.push_back(package.name + " " + package.version);
  if (before == nullptr) return change;
  if (before->inputs != after.inputs) change.other.emplace_back("files of the project");
  if (before->archives != after.archives) change.other.emplace_back("archives");
  if (before->removed != after.removed) change.other.emplace_back("packages to remove");
  if (before->manifest_digest != after.manifest_digest) change.other.emplace_back("the manifest");
  return change;
}

std::string change_text(const LockChange& change) {
  std::string out;
  for (const std::string& line : change.added) out += "  + " + line + "\n";
  for (const std::string& line : change.removed) out += "  - " + line + "\n";
  for (const std::string& line : change.changed) out += "  ~ " + line + "\n";
  if (!change.other.empty()) out += "  changed: " + join(change.other, ", ") + "\n";
  return out;
}

RemoteFile archive_file(const ArchiveSpec& archive) {
  RemoteFile file{.urls = archive.urls,
                  .label = "the archive '" + archive.name + "'",
                  .advice = {.promise = archive.integrity.empty() ? "the lock" : "the manifest",
                             .wrong_bytes = "the file was replaced where it is published: see why, and then "
                                            "change its hash and lock again",
                             .missing = "give another url of the same file in [[archive]]"}};
  if (!archive.npm.empty())
    file.locate = [npm = archive.npm] { return locate_module(parse_npm_package(npm)); };
  return file;
}

std::string staleness(const Lock& lock, const Manifest& manifest, const std::vector<LockedInput>& inputs) {
  if (!find_epoch(known_epochs(), lock.epoch, lock.corrections))
    return "it is for " + lock.epoch.text() + ", and this alephc builds " + latest_epoch().id.text();
  if (lock.declared != manifest.declared) return "the manifest changed";
  if (lock.inputs != inputs) {
    for (const LockedInput& input : inputs)
      if (std::find(lock.inputs.begin(), lock.inputs.end(), input) == lock.inputs.end())
        return "'" + input.path + "' changed";
    for (const LockedInput& locked : lock.inputs)
      if (std::find(inputs.begin(), inputs.end(), locked) == inputs.end())
        return locked.kind == "folder"
                   ? "the empty folder '" + locked.path + "' is gone; git keeps a folder only with a file in it"
                   : "'" + locked.path + "' is gone";
  }
  return {};
}

Lock resolve_lock(const ResolveRequest& request, const std::vector<LockedInput>& inputs,
                  const ToolBox& tools) {
  const Manifest& manifest = request.manifest;
  Lock lock;
  lock.declared = manifest.declared;
  lock.manifest_digest = manifest.digest;
  lock.epoch = latest_epoch().id;
  lock.corrections = latest_epoch().correction_numbers();
  lock.parts = manifest.stdlib;
  lock.inputs = inputs;
  lock.manifest_text = canonical_text(manifest.value, "manifest.");
  lock.manifest = manifest.value;
  lock.archives = lock_archives(request, inputs, tools);
  lock.runs = kept_pins(request);
  lock.guest_files = lock_guest_files(request);
  const bool asked = request.update_all || !request.update_packages.empty() || !request.date.empty();
  const Lock* before = request.previous;
  if (before != nullptr && !asked && packages_decided_alike(*before, manifest, manifest.value, inputs)) {
    lock.resolver = before->resolver;
    lock.repositories = before->repositories;
    lock.layers = before->layers;
    lock.removed = before->removed;
    lock.source_date_epoch = before->source_date_epoch;
  } else {
    Resolution resolution = distro_of(manifest.base.distro).resolve(request, tools);
    lock.resolver = resolution.resolver;
    lock.repositories = std::move(resolution.repositories);
    lock.layers = std::move(resolution.layers);
    lock.removed = std::move(resolution.removed);
    // The date moves with the packages only, so that a fresher index with the same choice changes no image.
    const bool same_packages =
        before != nullptr && before->layers == lock.layers && before->removed == lock.removed;
    lock.source_date_epoch = same_packages ? before->source_date_epoch : resolution.newest_index;
  }
  return lock;
}

}  // namespace alephc
