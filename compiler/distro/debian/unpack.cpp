// SPDX-License-Identifier: MIT
//
// Unpacking as dpkg does it, but a batch of packages at once. dpkg unpacks one package after the other, and the order shows
// only where two packages have one path. So all are unpacked in parallel, and each path is claimed under a mutex in a model
// of the tree (distro/root_model.hpp), which no symlink leads out of. Where a claim meets another package's path and the
// order would decide (OrderMatters), the whole batch is undone and done again by one thread, in dpkg's order.
//
// Invariants:
// - A path has one owner at a time. Who takes it over from whom is decided by Replaces, as dpkg decides (may_replace);
//   packages of one name and another architecture share their files.
// - A folder's owner and mode are those of the first package in dpkg's order that lists it, whichever thread came first.
// - A conffile lies beside its place as .dpkg-new until its package is configured; who owns it is asked of its own name.
// - Diversions apply to the names that packages give, not to where links lead.
// - Contents are moved to their place, not copied; a batch that is undone has lost them, and they are decoded again.
//
// Not handled: upgrades, since every image starts empty, and statoverrides. Judged by dpkg: tests/oracle/run.py.
#include "distro/debian/unpack.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "base/root_folder.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/package_placer.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc::debian {
Unpacker::Unpacker(const Tree& below, std::filesystem::path upper, std::int64_t time, DecodedPackages& decoded,
                   KnownContents& known)
    : model_(below, std::move(upper), time), decoded_(decoded), known_(known) {}

void Unpacker::rescan() {
  stale_ = false;
  model_.rescan();
  read_diversions();
}

/// Triples of lines: path, where it is diverted to, package (":" for the administrator).
void Unpacker::read_diversions() {
  diversions_.clear();
  const char* const path = "var/lib/dpkg/diversions";
  const RootFolder upper(model_.upper());
  if (upper.has(path) && !upper.has_file(path))
    throw Error(ErrorKind::failed, std::string("/") + path + " is not a regular file",
                "a package's script replaced it: dpkg would wait for it, or read it without end");
  const std::vector<std::string> lines = split(read_below(path), '\n');
  for (std::size_t i = 0; i + 2 < lines.size(); i += 3) {
    if (!lines[i].starts_with('/') || !lines[i + 1].starts_with('/') || lines[i + 2].empty())
      throw Error(ErrorKind::failed, "/var/lib/dpkg/diversions is damaged at line " + std::to_string(i + 1),
                  "a package's script wrote it; dpkg could not read it either");
    diversions_[lines[i].substr(1)] = {lines[i + 1].substr(1), lines[i + 2]};
  }
}

std::string Unpacker::read_below(const char* path) const {
  if (const auto own = RootFolder(model_.upper()).read(path)) return *own;
  const Entry* old = model_.below().find(path);
  return old != nullptr ? model_.below().read_content(*old) : std::string();
}

/// dpkg goes by the names that packages give: a diversion of /bin/sh is none of /usr/bin/sh, wherever /bin leads.
std::string Unpacker::diverted(const std::string& path, const std::string& package) const {
  const auto found = diversions_.find(path);
  return found == diversions_.end() || found->second.second == package ? path : found->second.first;
}

/// Where a package's file of a name belongs.
std::string Unpacker::place_of(const std::string& path, const std::string& package, std::uint32_t owner) {
  const std::string name = diverted(path, package);
  return join_path(model_.resolve_folder(parent_path(name), owner), base_name(name));
}

std::string Unpacker::installed_version(const std::string& package) const {
  const std::string status = read_below("var/lib/dpkg/status");
  std::string_view rest = status;
  while (const auto stanza = next_stanza(rest))
    if (stanza->get("Package") == package) return std::string(stanza->get("Version"));
  return {};
}

bool Unpacker::replaces(const UnpackedPackage& package, const std::string& name,
                        const std::string& version) const {
  std::string_view rest = package.control;
  const auto stanza = next_stanza(rest);
  for (const auto& group : parse_relations(stanza->get("Replaces")))
    for (const Relation& relation : group)
      if (relation.name == name && satisfies(version, relation.op, relation.version)) return true;
  return false;
}

/// The package that dpkg's database names for a path, "" if none does.
std::string Unpacker::owner_before(const std::string& path) {
  const std::string wanted = "/" + path + "\n";
  const auto owns = [&](const std::string& text) {
    return text.starts_with(wanted) || text.find("\n" + wanted) != std::string::npos;
  };
  const auto package_of = [](const std::string& file) { return file.substr(0, file.size() - 5); };
  const RootFolder upper(model_.upper());
  for (const std::string& name : upper.list("var/lib/dpkg/info"))
    if (name.ends_with(".list") && owns(upper.read("var/lib/dpkg/info/" + name).value_or("")))
      return package_of(name);
  for (const Entry& entry : model_.below().entries())
    if (entry.path.starts_with("var/lib/dpkg/info/") && entry.path.ends_with(".list") &&
        !model_.is_known(entry.path) && owns(model_.below().read_content(entry)))
      return package_of(base_name(entry.path));
  return {};
}

/// dpkg's rule for a path that another package has.
bool Unpacker::may_replace(const UnpackedPackage& package, const std::string& path, std::uint32_t owner,
                           RootModel::Node& node, bool& skip) {
  std::string other;
  if (node.owner == RootModel::kBefore) {
    other = owner_before(path);
    const std::string name = other.substr(0, other.find(':'));
    if (other.empty() || name == package.name) return true;
    if (!replaces(package, name, installed_version(name))) {
      throw Error(ErrorKind::failed, "/" + path + " is in " + package.name + " and also in " + other,
                  "the packages conflict, though they do not say so: leave one of them out");
    }
    lost_[other].push_back("/" + path);
    return true;
  }
  UnpackedPackage& earlier = packages_[node.owner];
  const bool same_package = earlier.name == package.name;  // Multi-Arch: same, another architecture
  if (node.owner == owner) return true;
  if (replaces(package, earlier.name, earlier.version) && !same_package) {
    std::erase(earlier.paths, "/" + path);
    return true;
  }
  skip = same_package || replaces(earlier, package.name, package.version);
  if (skip) return false;
  throw Error(ErrorKind::failed, "/" + path + " is in " + package.label + " and also in " + earlier.label,
              "the packages conflict, though they do not say so: leave one of them out");
}

/// A conffile has another name until it is configured; who owns it is asked of its own. False: it is not placed.
bool Unpacker::claim_conffile(const std::string& path, const std::string& place, const UnpackedPackage& package,
                              std::uint32_t owner, bool& skip) {
  RootModel::Node* shown = model_.find(place);
  if (shown == nullptr || shown->type == EntryType::directory || shown->owner == owner) return true;
  if (!sequential_ && shown->owner != RootModel::kBefore) throw OrderMatters{};
  return may_replace(package, path, owner, *shown, skip);
}

/// Decides where an entry goes and reserves the place. Called under the mutex.
std::string Unpacker::claim(const Entry& entry, UnpackedPackage& package, std::uint32_t owner, bool conffile,
                            bool& skip) {
  const bool is_folder = entry.type == EntryType::directory;
  std::string place = is_folder ? join_path(model_.resolve_folder(parent_path(entry.path), owner), base_name(entry.path))
                                : place_of(entry.path, package.name, owner);
  if (conffile) {
    if (!claim_conffile(entry.path, place, package, owner, skip)) return place;
    place += ".dpkg-new";
  }
  RootModel::Node* node = model_.find(place);
  const bool foreign = node != nullptr && node->owner != RootModel::kBefore && node->owner != owner;
  if (is_folder) {
    if (node == nullptr) {
      model_.make_folder(place, owner);
      node = model_.find(place);
    } else if (node->type != EntryType::directory) {
      if (foreign && !sequential_) throw OrderMatters{};
      skip = node->type == EntryType::symlink;
      if (!skip)
        throw Error(ErrorKind::failed,
                    "/" + place + " is a folder in " + package.label + ", but a file is there");
      return place;
    }
    // The first package in order gives a shared folder its attributes, as dpkg leaves an existing one alone.
    const bool first = node->owner != RootModel::kBefore && (!node->listed || owner <= node->owner);
    skip = !first;
    if (!first) return place;
    node->listed = true;
    node->owner = owner;
    node->mode = entry.mode;
    node->uid = entry.uid;
    node->gid = entry.gid;
    node->mtime = std::min(entry.mtime, model_.time());
    return place;
  }
  if (node != nullptr) {
    if (!sequential_ && (foreign || node->in_upper)) throw OrderMatters{};
    if (node->type == EntryType::directory) {
      skip = entry.type == EntryType::symlink;  // a symlink never replaces a folder
      if (skip) return place;
      throw Error(ErrorKind::failed,
                  "/" + place + " is a file in " + package.label + ", but a folder is there");
    }
    if (!may_replace(package, entry.path, owner, *node, skip)) return place;
    if (node->in_upper && ::unlinkat(model_.root_fd(), place.c_str(), 0) != 0)
      throw system_error("replace /" + place, errno);
  }
  model_.ensure_in_upper(parent_path(place));
  model_.put(place, {.type = entry.type, .link = entry.link_target, .owner = owner, .in_upper = true});
  return place;
}

void Unpacker::run(const std::vector<PackageToUnpack>& packages, unsigned jobs) {
  packages_.assign(packages.size(), {});
  std::atomic<bool> order_matters{false};
  parallel_for(packages.size(), jobs, [&](std::size_t i) {
    throw_if_interrupted();
    if (order_matters) return;
    try {
      with_context("unpacking " + packages[i].label,
                   [&] { unpack_one(packages[i], static_cast<std::uint32_t>(i)); });
    } catch (const OrderMatters&) {
      order_matters = true;
    }
  });
  if (order_matters) throw OrderMatters{};
}

void Unpacker::unpack_one(const PackageToUnpack& package, std::uint32_t owner) {
  const std::shared_ptr<const DecodedArchive> archive = decoded_.get(package.id);
  const TraceSpan span("unpack", package.label);
  UnpackedPackage& unpacked = packages_[owner];
  unpacked.label = package.label;
  PackagePlacer placer(*this, unpacked, owner, *archive);
  placer.read_control();
  unpacked.postponed = postpone_preinst_ && unpacked.has_script("preinst");
  if (!unpacked.postponed) placer.place_files();
}

std::vector<UnpackedPackage> Unpacker::unpack(const std::vector<PackageToUnpack>& packages, unsigned jobs,
                                              bool postpone_preinst) {
  if (stale_) rescan();
  model_.begin_batch();
  lost_before_ = lost_;
  postpone_preinst_ = postpone_preinst;
  sequential_ = jobs <= 1;
  try {
    run(packages, jobs);
  } catch (const OrderMatters&) {
    model_.undo();
    lost_ = lost_before_;
    rescan();
    for (const PackageToUnpack& package : packages) decoded_.lose(package.id);
    sequential_ = true;
    run(packages, 1);
  }
  model_.finish_folders();
  for (std::size_t i = 0; i < packages.size(); ++i)
    if (!packages_[i].postponed) decoded_.forget(packages[i].id);
  model_.end_batch();
  return std::move(packages_);
}

}  // namespace alephc::debian
