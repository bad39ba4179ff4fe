// SPDX-License-Identifier: MIT
#include "distro/alpine/placer.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/text.hpp"
#include "distro/alpine/dependency.hpp"
#include "sandbox/sandbox.hpp"
#include "tree/scan.hpp"

namespace alephc::alpine {
namespace {

const Attributes kPlainFolder{.mode = 0755};
const Attributes kPlainFile{.mode = 0644};
constexpr const char* kProtectedLists = "etc/apk/protected_paths.d";

/// True if a pattern, a glob for each part, names the folder or one above it.
bool is_below_pattern(const std::string& folder, const std::string& pattern) {
  const std::vector<std::string> parts = split(folder, '/');
  std::size_t i = 0;
  for (const std::string& glob : split(pattern, '/')) {
    if (glob.empty()) continue;
    if (i == parts.size() || ::fnmatch(glob.c_str(), parts[i].c_str(), FNM_PERIOD) != 0) return false;
    ++i;
  }
  return i > 0;
}

/// As apk's database has it: over names and values, each with its length before it as 32 bits, the highest
/// first. Empty without any.
std::string xattr_checksum(const std::vector<Xattr>& xattrs) {
  if (xattrs.empty()) return {};
  std::string bytes;
  const auto put = [&](const std::string& text) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>((text.size() >> shift) & 0xffU);
    bytes += text;
  };
  for (const Xattr& xattr : xattrs) {
    put(xattr.name);
    put(xattr.value);
  }
  return identity_of(sha1_bytes(bytes));
}

}  // namespace

Placer::Placer(RootModel& root, KnownContents& known) : root_(root), known_(known) {
  read_protected();
}

void Placer::add_installed(PlacedPackage package) {
  const std::size_t number = packages_.size();
  for (const InstalledFolder& folder : package.folders) {
    settled_[folder.path] = note_folder(folder.path, folder.attributes.value_or(kPlainFolder));
    for (const InstalledFile& file : folder.files)
      owners_[join_path(folder.path, file.name)] = {number, file.checksum};
  }
  packages_.push_back(std::move(package));
}

void Placer::forget_accounts() {
  ids_.clear();
}

void Placer::place(PlacedPackage package, const DecodedArchive& archive) {
  packages_.push_back(std::move(package));
  for (const DecodedEntry& decoded : archive.entries) {
    throw_if_interrupted();
    const Entry& entry = decoded.entry;
    if (decoded.member != "data" || entry.path.starts_with('.')) continue;
    if (entry.type == EntryType::directory)
      place_folder(decoded);
    else if (!base_name(entry.path).starts_with(".keep_"))
      place_file(decoded);
  }
}

InstalledFolder& Placer::folder_of(const std::string& path) {
  std::vector<InstalledFolder>& folders = packages_.back().folders;
  // Files follow their folder, so the search is short.
  const auto found = std::find_if(folders.rbegin(), folders.rend(),
                                  [&](const InstalledFolder& folder) { return folder.path == path; });
  if (found != folders.rend()) return *found;
  return folders.emplace_back(InstalledFolder{.path = path});
}

/// The lowest owner counts; among those of one owner what all of their modes allow.
Attributes& Placer::note_folder(const std::string& path, const Attributes& attributes) {
  const auto [it, is_new] = folders_.try_emplace(path, attributes);
  Attributes& agreed = it->second;
  if (is_new) return agreed;
  const auto owner = [](const Attributes& each) { return std::pair(each.uid, each.gid); };
  if (owner(attributes) < owner(agreed))
    agreed = attributes;
  else if (owner(attributes) == owner(agreed))
    agreed.mode &= attributes.mode;
  return agreed;
}

void Placer::place_folder(const DecodedEntry& decoded) {
  const std::string& path = decoded.entry.path;
  const Attributes attributes = attributes_of(decoded);
  InstalledFolder& folder = folder_of(path);
  if (attributes != kPlainFolder) folder.attributes = attributes;
  claim_folder(path, attributes);
}

void Placer::claim_folder(const std::string& path, const Attributes& attributes) {
  const bool is_first = !folders_.contains(path);
  note_folder(path, attributes);
  const std::size_t made_before = root_.made();
  (void)root_.resolve_folder(path, 0);
  if (is_first && !path.empty() && root_.made() == made_before) foreign_.insert(path);
}

/// What the package of a file and the one that has it now say of each other.
bool Placer::may_take(const std::string& path) {
  const auto it = owners_.find(path);
  if (it == owners_.end() || it->second.package + 1 == packages_.size()) return true;
  const PlacedPackage& package = packages_.back();
  const PlacedPackage& other = packages_[it->second.package];
  const bool same_origin = !package.origin.empty() && package.origin == other.origin;
  const bool ours = is_replaced(package, other);
  const bool theirs = is_replaced(other, package);
  if (theirs && (!ours || other.replaces_priority > package.replaces_priority)) return false;
  if (!ours && !same_origin)
    throw Error(ErrorKind::failed, "/" + path + " is in " + package.name + " and also in " + other.name,
                "the packages conflict, though they do not say so: leave one of them out");
  drop_path(it->second.package, path);
  return true;
}

bool Placer::is_replaced(const PlacedPackage& by, const PlacedPackage& other) const {
  const std::vector<Dependency> replaced = parse_dependencies(by.replaces);
  return std::any_of(replaced.begin(), replaced.end(), [&](const Dependency& each) {
    return each.name == other.name && !each.conflict && matches(each, other.version, "");
  });
}

void Placer::drop_path(std::size_t package, const std::string& path) {
  const std::string folder_path = parent_path(path);
  for (InstalledFolder& folder : packages_[package].folders)
    if (folder.path == folder_path)
      std::erase_if(folder.files, [&](const InstalledFile& file) { return file.name == base_name(path); });
}

void Placer::place_file(const DecodedEntry& decoded) {
  const Entry& entry = decoded.entry;
  if (!entry.hard_link.empty()) check_link(entry);
  InstalledFolder& folder = folder_of(parent_path(entry.path));
  if (!may_take(entry.path)) return;
  InstalledFile file{.name = base_name(entry.path), .checksum = checksum_of(decoded)};
  const Attributes attributes = attributes_of(decoded);
  if (attributes != kPlainFile) file.attributes = attributes;
  const std::string place = choose_place(decoded, file.checksum);
  if (!place.empty()) create(decoded, place, attributes);
  owners_[entry.path] = {packages_.size() - 1, file.checksum, place};
  std::erase_if(folder.files, [&](const InstalledFile& each) { return each.name == file.name; });
  folder.files.push_back(std::move(file));
}

/// To a file that the package itself has placed, and to no other.
void Placer::check_link(const Entry& entry) const {
  const auto target = owners_.find(entry.hard_link);
  if (target == owners_.end() || target->second.package + 1 != packages_.size() ||
      target->second.place.empty())
    throw Error(ErrorKind::integrity, "/" + entry.path + " is a hard link to /" + entry.hard_link +
                                          ", which the package did not place");
}

std::string Placer::checksum_of(const DecodedEntry& decoded) const {
  const Entry& entry = decoded.entry;
  if (!entry.hard_link.empty()) return owners_.at(entry.hard_link).checksum;
  if (entry.type == EntryType::symlink) return identity_of(sha1_bytes(entry.link_target));
  return entry.type == EntryType::regular ? identity_of(decoded.sha1) : "";
}

/// Where the file goes: over what is there, or beside it. The place is reserved, and free.
std::string Placer::choose_place(const DecodedEntry& decoded, const std::string& checksum) {
  const Entry& entry = decoded.entry;
  const std::string folder = root_.resolve_folder(parent_path(entry.path), 0);
  std::string place = join_path(folder, base_name(entry.path));
  const RootModel::Node* node = root_.find(place);
  if (node != nullptr && node->type == EntryType::directory)
    throw Error(ErrorKind::failed,
                "/" + place + " is a file in " + packages_.back().name + ", but a folder is there");
  if (node != nullptr && is_protected(entry.path)) {
    const std::string now = checksum_in_place(place);
    const auto owner = owners_.find(entry.path);
    const bool untouched = owner != owners_.end() && owner->second.checksum == now;
    if (!untouched && now == checksum) return {};
    if (!untouched) place += ".apk-new";
    node = root_.find(place);
  }
  if (node != nullptr && node->in_upper && ::unlinkat(root_.root_fd(), place.c_str(), 0) != 0)
    throw system_error("replace /" + place, errno);
  root_.ensure_in_upper(parent_path(place));
  root_.put(place, {.type = entry.type, .link = entry.link_target, .owner = 0, .in_upper = true});
  return place;
}

/// The lists that were there before the first package, as apk reads them once.
void Placer::read_protected() {
  for (const Entry& entry : root_.below().entries())
    if (entry.type == EntryType::regular && parent_path(entry.path) == kProtectedLists &&
        entry.path.ends_with(".list"))
      for (const std::string& line : split(root_.below().read_content(entry), '\n'))
        if (!line.empty() && line[0] != '#') protected_.push_back(line);
}

/// The last rule that names the path decides. "@" and "!" differ from "+" in what `apk audit` shows only.
bool Placer::is_protected(const std::string& path) const {
  const std::string folder = parent_path(path);
  bool result = is_below_pattern(folder, "etc");
  for (const std::string& rule : protected_) {
    const bool is_marked = std::string_view("+-@!").find(rule[0]) != std::string_view::npos;
    if (is_below_pattern(folder, rule.substr(is_marked ? 1 : 0))) result = rule[0] != '-';
  }
  return result;
}

std::string Placer::checksum_in_place(const std::string& place) {
  const RootModel::Node* node = root_.find(place);
  if (node->type == EntryType::symlink) return identity_of(sha1_bytes(node->link));
  if (node->type != EntryType::regular) return {};
  return identity_of(sha1_bytes(read_text(place)));
}

std::string Placer::read_text(const std::string& path) {
  const RootModel::Node* node = root_.find(path);
  if (node == nullptr || node->type != EntryType::regular) return {};
  if (node->in_upper) return read_all(open_at(root_.root_fd(), path, O_RDONLY | O_NOFOLLOW).get());
  return root_.below().read_content(*root_.below().find(path));
}

void Placer::create(const DecodedEntry& decoded, const std::string& place, const Attributes& attributes) {
  const Entry& entry = decoded.entry;
  const int root = root_.root_fd();
  if (!entry.hard_link.empty()) {
    const std::string& target = owners_.at(entry.hard_link).place;
    if (::linkat(root, target.c_str(), root, place.c_str(), 0) != 0)
      throw system_error("link /" + place, errno);
    return;
  }
  const bool made = entry.type == EntryType::symlink
                        ? ::symlinkat(entry.link_target.c_str(), root, place.c_str()) == 0
                    : entry.type == EntryType::fifo
                        ? ::mkfifoat(root, place.c_str(), 0600) == 0
                        : ::renameat(AT_FDCWD, decoded.content.c_str(), root, place.c_str()) == 0;
  if (!made) throw system_error("make /" + place, errno);
  root_.set_attributes(place, entry.type, attributes.uid, attributes.gid, attributes.mode, entry.mtime);
  if (entry.type != EntryType::regular) return;
  if (set_xattrs(entry, place)) return;  // what is known has none
  struct stat info {};
  if (::fstatat(root, place.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("look at /" + place, errno);
  known_.add(info, entry.content);
}

/// True if there are any.
bool Placer::set_xattrs(const Entry& entry, const std::string& place) const {
  if (entry.xattrs.empty()) return false;
  const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  const UniqueFd file = open_at(root_.root_fd(), place, flags);
  for (const Xattr& xattr : entry.xattrs)
    if (keeps_xattr(xattr.name) &&
        ::fsetxattr(file.get(), xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0)
      throw system_error("set " + xattr.name + " of /" + place, errno);
  return true;
}

/// Owners are those that the image's own accounts have by
/// name; where it knows no such name the number counts.
Attributes Placer::attributes_of(const DecodedEntry& decoded) {
  return {.uid = id_of("etc/passwd", decoded.user, decoded.entry.uid),
          .gid = id_of("etc/group", decoded.group, decoded.entry.gid),
          .mode = decoded.entry.mode,
          .xattrs = xattr_checksum(decoded.entry.xattrs)};
}

std::uint32_t Placer::id_of(const char* file, const std::string& name, std::uint32_t number) {
  if (name.empty() || name == "root") return name.empty() ? number : 0;
  const auto [it, is_new] = ids_.try_emplace(file);
  if (is_new) it->second = account_ids(read_text(file));
  return id_or_number(it->second, name, number);
}

void Placer::settle_folders() {
  for (const auto& [path, attributes] : folders_) {
    const auto [settled, is_new] = settled_.try_emplace(path, attributes);
    if (path.empty() || foreign_.contains(path) || (!is_new && settled->second == attributes)) continue;
    settled->second = attributes;
    const std::string place = root_.resolve_folder(path, 0);
    RootModel::Node* node = root_.find(place);
    if (node == nullptr || node->type != EntryType::directory) continue;
    root_.ensure_in_upper(place);
    node = root_.find(place);
    node->mode = attributes.mode;
    node->uid = attributes.uid;
    node->gid = attributes.gid;
    root_.set_attributes(place, node->type, node->uid, node->gid, node->mode, root_.time());
  }
}

}  // namespace alephc::alpine
