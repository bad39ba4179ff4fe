// SPDX-License-Identifier: MIT
#include "distro/debian/unpack.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/package_placer.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc::debian {
namespace {

constexpr int kMaxLinks = 40;

/// Type of what a folder holds; a scan of everything about 50,000 files would take five times as long.
EntryType type_of(int folder_fd, const FolderEntry& entry) {
  struct stat info {};
  unsigned char type = entry.type;
  if (type == DT_UNKNOWN || type == DT_CHR) {
    if (::fstatat(folder_fd, entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error("look at " + entry.name, errno);
    type = static_cast<unsigned char>(IFTODT(info.st_mode));
  }
  switch (type) {
    using enum EntryType;
    case DT_DIR:
      return directory;
    case DT_LNK:
      return symlink;
    case DT_FIFO:
      return fifo;
    case DT_BLK:
      return block_device;
    case DT_CHR:
      return info.st_rdev == 0 ? whiteout : char_device;
    default:
      return regular;
  }
}

}  // namespace

Unpacker::Unpacker(const Tree& below, std::filesystem::path upper, DecodedPackages& decoded,
                   KnownContents& known)
    : below_(below),
      upper_(std::move(upper)),
      decoded_(decoded),
      known_(known),
      root_(open_file(upper_, O_RDONLY | O_DIRECTORY)) {}

void Unpacker::rescan() {
  stale_ = false;
  nodes_.clear();
  folders_.clear();
  nodes_[""] = {.in_upper = true};
  read_folder(root_.get(), "");
  read_diversions();
}

void Unpacker::read_folder(int folder_fd, const std::string& path) {
  for (const FolderEntry& entry : list_folder_types(folder_fd)) {
    std::string place = path.empty() ? entry.name : path + "/" + entry.name;
    Node node{.type = type_of(folder_fd, entry), .in_upper = true};
    if (node.type == EntryType::symlink) node.link = read_link(folder_fd, entry.name);
    if (node.type == EntryType::directory)
      read_folder(open_at(folder_fd, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get(), place);
    nodes_[std::move(place)] = std::move(node);
  }
}

/// Triples of lines: path, where it is diverted to, package (":" for the administrator).
void Unpacker::read_diversions() {
  diversions_.clear();
  const auto own = read_file_if_exists(upper_ / "var/lib/dpkg/diversions");
  const Entry* old = below_.find("var/lib/dpkg/diversions");
  const std::string text = own ? *own : old != nullptr ? below_.read_content(*old) : "";
  const std::vector<std::string> lines = split(text, '\n');
  for (std::size_t i = 0; i + 2 < lines.size(); i += 3)
    diversions_[lines[i].substr(1)] = {lines[i + 1].substr(1), lines[i + 2]};
}

Unpacker::Node* Unpacker::find_node(const std::string& path) {
  const auto it = nodes_.find(path);
  if (it != nodes_.end()) return it->second.type == EntryType::whiteout ? nullptr : &it->second;
  const Entry* entry = below_.find(path);
  if (entry == nullptr) return nullptr;
  Node node{.type = entry->type,
            .link = entry->link_target,
            .mode = entry->mode,
            .uid = entry->uid,
            .gid = entry->gid,
            .mtime = entry->mtime};
  return &nodes_.emplace(path, std::move(node)).first->second;
}

void Unpacker::make_folder(const std::string& path, std::uint32_t owner) {
  ensure_in_upper(parent_path(path));
  if (::mkdirat(root_.get(), path.c_str(), 0755) != 0) throw system_error("make the folder /" + path, errno);
  nodes_[path] = {.type = EntryType::directory, .owner = owner, .in_upper = true, .mtime = kStepTime};
  made_.push_back(path);
}

/// A folder of the layers below appears in the upper with the attributes it has there.
void Unpacker::ensure_in_upper(const std::string& path) {
  if (path.empty()) return;
  Node* node = find_node(path);
  check(node != nullptr, "folders are made before what is in them");
  if (node->in_upper) return;
  ensure_in_upper(parent_path(path));
  if (::mkdirat(root_.get(), path.c_str(), 0755) != 0) throw system_error("make the folder /" + path, errno);
  node = find_node(path);
  node->in_upper = true;
  if (::fchownat(root_.get(), path.c_str(), node->uid, node->gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fchmodat(root_.get(), path.c_str(), node->mode, 0) != 0)
    throw system_error("set the owner of /" + path, errno);
}

std::string Unpacker::resolve_link(const std::string& folder, const Node& link, std::uint32_t owner,
                                   int depth) {
  if (depth > kMaxLinks)
    throw Error(ErrorKind::integrity, "/" + folder + " leads through a loop of symlinks");
  std::string at = link.link.starts_with('/') ? "" : parent_path(folder);
  for (const std::string& part : split(link.link, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (at.empty())
        throw Error(ErrorKind::integrity, "the symlink /" + folder + " → " + link.link + " leaves the root");
      at = parent_path(at);
      continue;
    }
    at = resolve_folder(at.empty() ? part : at + "/" + part, owner, depth + 1);
  }
  return at;
}

std::string Unpacker::resolve_folder(const std::string& path, std::uint32_t owner, int depth) {
  if (path.empty()) return path;
  const auto known = folders_.find(path);
  if (known != folders_.end()) return known->second;
  const std::string parent = resolve_folder(parent_path(path), owner, depth);
  const std::string place = parent.empty() ? base_name(path) : parent + "/" + base_name(path);
  Node* node = find_node(place);
  std::string result = place;
  if (node == nullptr) {
    make_folder(place, owner);
  } else if (node->type == EntryType::symlink) {
    const Node link = *node;
    result = resolve_link(place, link, owner, depth + 1);
  } else if (node->type != EntryType::directory) {
    throw Error(ErrorKind::integrity, "/" + path + " is no folder, but packages have files in it");
  }
  folders_[path] = result;
  return result;
}

std::string Unpacker::diverted(const std::string& path, const std::string& package) const {
  const auto it = diversions_.find("/" + path);
  const std::string& from = it == diversions_.end() ? path : it->first;
  if (it == diversions_.end()) {
    const auto plain = diversions_.find(path);
    if (plain == diversions_.end() || plain->second.second == package) return path;
    return plain->second.first;
  }
  return it->second.second == package ? from.substr(1) : it->second.first;
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
  const std::filesystem::path info = upper_ / "var/lib/dpkg/info";
  if (std::filesystem::is_directory(info))
    for (const auto& file : std::filesystem::directory_iterator(info))
      if (file.path().extension() == ".list" && owns(read_file(file.path())))
        return package_of(file.path().filename().string());
  for (const Entry& entry : below_.entries())
    if (entry.path.starts_with("var/lib/dpkg/info/") && entry.path.ends_with(".list") &&
        !nodes_.contains(entry.path) && owns(below_.read_content(entry)))
      return package_of(base_name(entry.path));
  return {};
}

/// dpkg's rule for a path that another package has.
bool Unpacker::may_replace(const UnpackedPackage& package, const std::string& path, std::uint32_t owner,
                           Node& node, bool& skip) {
  std::string other;
  if (node.owner == kBefore) {
    other = owner_before(path);
    const std::string name = other.substr(0, other.find(':'));
    if (other.empty() || name == package.name) return true;
    if (!replaces(package, name, "")) {
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

/// Decides where an entry goes and reserves the place. Called under the mutex.
std::string Unpacker::claim(const Entry& entry, UnpackedPackage& package, std::uint32_t owner, bool conffile,
                            bool& skip) {
  const std::string folder = resolve_folder(parent_path(entry.path), owner);
  std::string place = folder.empty() ? base_name(entry.path) : folder + "/" + base_name(entry.path);
  if (conffile) {
    place += ".dpkg-new";
  } else if (!diversions_.empty() && entry.type != EntryType::directory) {
    place = diverted(place, package.name);
    if (place.starts_with('/')) place.erase(0, 1);
    resolve_folder(parent_path(place), owner);
  }
  Node* node = find_node(place);
  const bool foreign = node != nullptr && node->owner != kBefore && node->owner != owner;
  if (entry.type == EntryType::directory) {
    if (node == nullptr) {
      make_folder(place, owner);
      node = find_node(place);
    } else if (node->type != EntryType::directory) {
      if (foreign && !sequential_) throw OrderMatters{};
      skip = node->type == EntryType::symlink;
      if (!skip)
        throw Error(ErrorKind::failed,
                    "/" + place + " is a folder in " + package.label + ", but a file is there");
      return place;
    }
    // The first package in order gives a shared folder its attributes, as dpkg leaves an existing one alone.
    const bool first = node->owner != kBefore && (!node->listed || owner <= node->owner);
    skip = !first;
    if (!first) return place;
    node->listed = true;
    node->owner = owner;
    node->mode = entry.mode;
    node->uid = entry.uid;
    node->gid = entry.gid;
    node->mtime = std::min(entry.mtime, kStepTime);
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
    if (!may_replace(package, place, owner, *node, skip)) return place;
    if (node->in_upper && ::unlinkat(root_.get(), place.c_str(), 0) != 0)
      throw system_error("replace /" + place, errno);
  }
  ensure_in_upper(parent_path(place));
  nodes_[place] = {.type = entry.type, .link = entry.link_target, .owner = owner, .in_upper = true};
  made_.push_back(place);
  return place;
}

void Unpacker::finish_folders() {
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) {
    const Node& node = nodes_.at(*it);
    if (node.type != EntryType::directory) continue;
    const std::array<timespec, 2> times{{{node.mtime, 0}, {node.mtime, 0}}};
    if (::fchownat(root_.get(), it->c_str(), node.uid, node.gid, AT_SYMLINK_NOFOLLOW) != 0 ||
        ::fchmodat(root_.get(), it->c_str(), node.mode, 0) != 0 ||
        ::utimensat(root_.get(), it->c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error("set the owner of /" + *it, errno);
  }
}

void Unpacker::undo() {
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) {
    const bool folder = nodes_.at(*it).type == EntryType::directory;
    if (::unlinkat(root_.get(), it->c_str(), folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
      throw system_error("undo /" + *it, errno);
  }
  made_.clear();
  rescan();
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
  made_.clear();
  postpone_preinst_ = postpone_preinst;
  sequential_ = jobs <= 1;
  try {
    run(packages, jobs);
  } catch (const OrderMatters&) {
    undo();
    for (const PackageToUnpack& package : packages) decoded_.lose(package.id);
    sequential_ = true;
    run(packages, 1);
  }
  finish_folders();
  for (std::size_t i = 0; i < packages.size(); ++i)
    if (!packages_[i].postponed) decoded_.forget(packages[i].id);
  for (auto& [path, node] : nodes_) node.owner = kBefore;
  return std::move(packages_);
}

}  // namespace alephc::debian
