// SPDX-License-Identifier: MIT
//
// Unpacking as dpkg does it, but a batch of packages at once. dpkg unpacks one package after the other, and the order shows
// only where two packages have one path. So all are unpacked in parallel, and each path is claimed under a mutex in a model
// of the tree (distro/root_model.hpp), which no symlink leads out of. Where a claim meets another package's path and the
// order would decide (OrderMatters), the whole batch is undone and done again by one thread, in dpkg's order.
//
// A package with a preinst waits for a later batch, so that its script runs first; the others are there by then, whatever dpkg's
// order says. Where that would show (LayerOrderMatters), the Installer begins the layer again, in dpkg's order.
//
// Invariants:
// - A path has one owner at a time. Who takes it over from whom is decided by Replaces, as dpkg decides (may_replace);
//   packages of one name and another architecture share their files.
// - A folder's owner and mode are those of the first package in dpkg's order that lists it, whichever thread came first.
// - A conffile lies beside its place as .dpkg-new until its package is configured; who owns it is asked of its own name.
// - Diversions, statoverrides and path filters apply to the names that packages give, not to where links lead.
// - Contents are moved to their place, not copied; a batch that is undone has lost them, and they are decoded again.
//
// Not handled: upgrades, since every image starts empty; packages that lose all of their files, which dpkg lets disappear; files
// in the place of other packages' folders, and the other way round, which dpkg permits where Replaces does. Judged by dpkg:
// tests/oracle/run.py and worlds.py.
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

std::string UnpackedPackage::dpkg_name() const {
  std::string_view rest = control;
  const auto stanza = next_stanza(rest);
  return stanza && stanza->get("Multi-Arch") == "same" ? name + ":" + arch : name;
}

Unpacker::Unpacker(const Tree& below, std::filesystem::path upper, std::int64_t time,
                   DecodedPackages& decoded, KnownContents& known, Order order)
    : model_(below, std::move(upper), time), decoded_(decoded), known_(known), order_(order) {}

void Unpacker::rescan() {
  stale_ = false;
  former_.reset();
  model_.rescan();
  if (std::exchange(fresh_, false))
    rules_ = UnpackRules(model_.below(), model_.upper());
  else
    rules_.read_again(model_.below(), model_.upper());
}

std::string Unpacker::read_below(const char* path) const {
  if (const auto own = RootFolder(model_.upper()).read(path)) return *own;
  const Entry* old = model_.below().find(path);
  return old != nullptr ? model_.below().read_content(*old) : std::string();
}

/// Where a package's file of a name belongs.
std::string Unpacker::place_of(const std::string& path, const std::string& package, std::uint32_t owner) {
  const std::string name = rules_.diverted(path, package);
  return join_path(model_.resolve_folder(parent_path(name), owner), base_name(name));
}

/// The control data of an installed package, as far as the status has it; empty if it is not there.
std::string Unpacker::installed_control(const std::string& package) const {
  const std::string status = read_below("var/lib/dpkg/status");
  const std::string beginning = "Package: " + package + "\n";
  std::size_t at = status.starts_with(beginning) ? 0 : status.find("\n" + beginning);
  if (at == std::string::npos) return {};
  if (at != 0) ++at;
  return status.substr(at, status.find("\n\n", at) - at) + "\n";
}

namespace {

/// Whether the control data of a package says that it replaces a version of another one.
bool replaces(std::string_view control, const std::string& name, std::string_view version) {
  const auto stanza = next_stanza(control);
  if (!stanza) return false;
  for (const auto& group : parse_relations(stanza->get("Replaces")))
    for (const Relation& relation : group)
      if (relation.name == name && satisfies(version, relation.op, relation.version)) return true;
  return false;
}

std::string version_in(std::string_view control) {
  const auto stanza = next_stanza(control);
  return stanza ? std::string(stanza->get("Version")) : std::string();
}

}  // namespace

/// The packages that dpkg's database names for a path; several where it is diverted, or they share it.
const std::vector<std::string>& Unpacker::owners_before(const std::string& path) {
  if (!former_) {
    former_.emplace();
    const auto add = [&](const std::string& file, const std::string& text) {
      for (const std::string& line : split(text, '\n'))
        (*former_)[line].push_back(file.substr(0, file.size() - 5));
    };
    const RootFolder upper(model_.upper());
    for (const std::string& name : upper.list("var/lib/dpkg/info"))
      if (name.ends_with(".list")) add(name, upper.read("var/lib/dpkg/info/" + name).value_or(""));
    for (const Entry& entry : model_.below().entries())
      if (entry.path.starts_with("var/lib/dpkg/info/") && entry.path.ends_with(".list") &&
          !model_.is_known(entry.path))
        add(base_name(entry.path), model_.below().read_content(entry));
  }
  static const std::vector<std::string> kNone;
  const auto it = former_->find("/" + path);
  return it == former_->end() ? kNone : it->second;
}

/// Two packages may have a path where a diversion keeps their files apart.
bool Unpacker::is_kept_apart(const std::string& path, const std::string& package,
                             const std::string& other) const {
  return rules_.diverted(path, package) != rules_.diverted(path, other);
}

/// dpkg's rule for a path that packages of former batches have.
bool Unpacker::may_replace_former(const UnpackedPackage& package, const std::string& path, bool& skip) {
  for (const std::string& other : owners_before(path)) {
    const std::string name = other.substr(0, other.find(':'));
    if (name == package.name || is_kept_apart(path, package.name, name)) continue;
    const std::string control = installed_control(name);
    if (replaces(package.control, name, version_in(control))) {
      if (!rules_.filtered(path, EntryType::regular)) lost_[other].push_back("/" + path);
      continue;
    }
    skip = replaces(control, package.name, package.version);
    if (skip) return false;
    throw Error(ErrorKind::failed, "/" + path + " is in " + package.name + " and also in " + other,
                "the packages conflict, though they do not say so: leave one of them out");
  }
  return true;
}

/// dpkg's rule for a path that another package has.
bool Unpacker::may_replace(UnpackedPackage& package, const std::string& path, std::uint32_t owner,
                           RootModel::Node& node, bool& skip) {
  if (node.owner == RootModel::kBefore) return may_replace_former(package, path, skip);
  if (node.owner == owner) return true;
  return may_replace_in_batch(package, path, packages_[node.owner], skip);
}

bool Unpacker::may_replace_in_batch(UnpackedPackage& package, const std::string& path,
                                    const UnpackedPackage& earlier, bool& skip) {
  if (earlier.name == package.name) {  // Multi-Arch: same, another architecture
    package.shared.insert(path);
    skip = true;
    return false;
  }
  if (is_kept_apart(path, package.name, earlier.name)) return true;
  if (replaces(package.control, earlier.name, earlier.version)) {
    if (rules_.filtered(path, EntryType::regular)) return true;  // nothing is taken
    for (UnpackedPackage& instance : packages_)
      if (instance.name == earlier.name && std::erase(instance.paths, "/" + path) != 0 &&
          package.has_conffile("/" + path))
        instance.obsolete.insert("/" + path);
    return true;
  }
  skip = replaces(earlier.control, package.name, package.version);
  if (skip) return false;
  throw Error(ErrorKind::failed, "/" + path + " is in " + package.label + " and also in " + earlier.label,
              "the packages conflict, though they do not say so: leave one of them out");
}

/// dpkg asks by name, whether a file is there or not: a filter may have kept it out, a diversion may lead past it.
bool Unpacker::may_have_name(UnpackedPackage& package, const std::string& path, std::uint32_t owner,
                             bool& skip) {
  for (const std::string& other : owners_before(path)) {
    const auto id = numbers_.find(other.substr(0, other.find(':')));
    if (id != numbers_.end() && id->second > ids_[owner]) throw LayerOrderMatters{};
  }
  std::vector<std::uint32_t>& owners = names_now_[path];
  for (const std::uint32_t other : owners) {
    if (!sequential_) throw OrderMatters{};
    const std::vector<std::string>& paths = packages_[other].paths;
    const bool has_it = other != owner && std::find(paths.begin(), paths.end(), "/" + path) != paths.end();
    if (has_it && !may_replace_in_batch(package, path, packages_[other], skip)) return false;
  }
  owners.push_back(owner);
  return may_replace_former(package, path, skip);
}

/// The file of another package's conffile that is not configured yet goes when the conffile is taken over.
bool Unpacker::take_over_conffile(const std::string& path, const std::string& place, UnpackedPackage& package,
                                  std::uint32_t owner, bool& skip) {
  RootModel::Node* waiting = model_.find(place + ".dpkg-new");
  if (waiting == nullptr || waiting->owner == owner) return true;
  if (!sequential_) throw OrderMatters{};
  if (!may_replace(package, path, owner, *waiting, skip)) return false;
  if (waiting->in_upper && ::unlinkat(model_.root_fd(), (place + ".dpkg-new").c_str(), 0) != 0 &&
      errno != ENOENT)
    throw system_error("replace /" + place, errno);
  return true;
}

/// A conffile has another name until it is configured; who owns it is asked of its own. False: it is not placed.
bool Unpacker::claim_conffile(const std::string& path, const std::string& place, UnpackedPackage& package,
                              std::uint32_t owner, bool& skip) {
  RootModel::Node* shown = model_.find(place);
  if (shown == nullptr || shown->type == EntryType::directory || shown->owner == owner) return true;
  if (!sequential_ && shown->owner != RootModel::kBefore) throw OrderMatters{};
  return may_replace(package, path, owner, *shown, skip);
}

/// A place that a former batch filled for a package which comes behind this one in dpkg's order.
void Unpacker::check_order(const std::string& place, const Entry& entry, std::size_t id) const {
  const auto it = placed_.find(place);
  if (it == placed_.end() || it->second.id < id) return;
  const Placed& other = it->second;
  const bool is_folder = entry.type == EntryType::directory;
  const bool same = other.mode == entry.mode && other.uid == entry.uid && other.gid == entry.gid;
  if (!is_folder || !other.is_folder || !same) throw LayerOrderMatters{};
}

std::vector<std::string> Unpacker::paths_of(std::size_t id) {
  if (const auto it = paths_.find(id); it != paths_.end()) return it->second;
  const auto archive = decoded_.get(id);
  std::vector<std::string> paths;
  for (const DecodedEntry& decoded : archive->entries)
    if (decoded.member != "control") paths.push_back("/" + decoded.entry.path);
  return paths;
}

bool Unpacker::brings(std::size_t id, const std::string& path) {
  const std::vector<std::string> paths = paths_of(id);
  return std::find(paths.begin(), paths.end(), "/" + path) != paths.end();
}

/// The scripts of a batch ran before its packages are placed, and behind packages that dpkg would unpack later. A diversion
/// counts for packages behind the one whose script made it, and not for those before it.
void Unpacker::check_diversions(const UnpackRules& before, const std::vector<PackageToUnpack>& batch) {
  const RootFolder upper(model_.upper());
  for (const UnpackRules::Diversion& diversion : rules_.new_diversions(before)) {
    std::size_t first = batch.front().id;
    std::size_t last = batch.back().id;
    for (const PackageToUnpack& package : batch)
      if (names_[package.id] == diversion.package) first = last = package.id;
    const bool renamed = upper.has(diversion.to) && !upper.has(diversion.path);
    for (const auto& [id, paths] : paths_)
      if (id > first && !renamed && brings(id, diversion.path)) throw LayerOrderMatters{};
    for (const PackageToUnpack& package : batch)
      if (package.id < last && brings(package.id, diversion.path)) throw LayerOrderMatters{};
  }
}

void Unpacker::remember(const std::vector<PackageToUnpack>& packages) {
  for (std::size_t i = 0; i < packages.size(); ++i) {
    names_[packages[i].id] = packages_[i].name;
    numbers_[packages_[i].name] = packages[i].id;
    if (!packages_[i].postponed) paths_[packages[i].id] = packages_[i].paths;
  }
  for (auto& [place, placed] : now_) placed_[place] = placed;
}

/// Decides where an entry goes and reserves the place. Called under the mutex.
std::string Unpacker::claim(const Entry& entry, UnpackedPackage& package, std::uint32_t owner, bool conffile,
                            bool& skip) {
  const bool is_folder = entry.type == EntryType::directory;
  const bool filtered = rules_.filtered(entry.path, entry.type);
  const bool by_name = rules_.has_filters() || rules_.diverted(entry.path, package.name) != entry.path;
  if (!is_folder && by_name && !may_have_name(package, entry.path, owner, skip)) return {};
  if (filtered) return {};
  std::string place = place_of(entry.path, package.name, owner);
  check_order(place, entry, ids_[owner]);
  now_.emplace_back(place, Placed{ids_[owner], is_folder, entry.mode, entry.uid, entry.gid});
  if (!conffile && !is_folder && !take_over_conffile(entry.path, place, package, owner, skip)) return place;
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
      if (skip) package.shared.insert(entry.path);
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
  unpacked.postponed =
      postpone_ == Postpone::all || (postpone_ == Postpone::with_preinst && unpacked.has_script("preinst"));
  if (!unpacked.postponed) placer.place_files();
}

std::vector<UnpackedPackage> Unpacker::unpack(const std::vector<PackageToUnpack>& packages, unsigned jobs,
                                              Postpone postpone) {
  if (stale_) {
    const UnpackRules before = rules_;
    rescan();
    if (!names_.empty()) check_diversions(before, packages);
  }
  ids_.clear();
  for (const PackageToUnpack& package : packages) ids_.push_back(package.id);
  model_.begin_batch();
  lost_before_ = lost_;
  postpone_ = postpone;
  sequential_ = jobs <= 1;
  now_.clear();
  names_now_.clear();
  try {
    run(packages, jobs);
  } catch (const OrderMatters&) {
    model_.undo();
    lost_ = lost_before_;
    rescan();
    for (const PackageToUnpack& package : packages) decoded_.lose(package.id);
    sequential_ = true;
    now_.clear();
    names_now_.clear();
    run(packages, 1);
  }
  model_.finish_folders();
  for (std::size_t i = 0; i < packages.size(); ++i)
    if (!packages_[i].postponed) decoded_.forget(packages[i].id);
  model_.end_batch();
  former_.reset();
  // What is there before any package waits has its order.
  if (order_ == Order::any && (postpone == Postpone::with_preinst || !names_.empty())) remember(packages);
  return std::move(packages_);
}

}  // namespace alephc::debian
