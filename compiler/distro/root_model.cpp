// SPDX-License-Identifier: MIT
//
// The root that packages are unpacked into, as data. The kernel would follow a package's symlink out of the root; so no
// path is given to it that was not looked up here first: the model knows the type, owner and link target of every path
// of the layers below and of the upper folder, follows links inside the root as a chroot would, and gives back a path
// whose every folder is a real folder of the upper.
//
// A batch of packages is unpacked by several threads over one model, which the caller's mutex guards. Every path that the
// batch makes is recorded, so that it can be undone when two packages turn out to depend on their order. Whatever else
// writes into the upper folder, such as scripts, makes the model stale: rescan() reads it again.
#include "distro/root_model.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "base/text.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc {
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

/// overlayfs's mark of a folder that shows nothing of the layers below.
const char* opaque_mark() {
  return in_user_namespace() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

}  // namespace

RootModel::RootModel(const Tree& below, std::filesystem::path upper, std::int64_t time)
    : below_(below), upper_(std::move(upper)), time_(time), root_(open_file(upper_, O_RDONLY | O_DIRECTORY)) {}

void RootModel::rescan() {
  nodes_.clear();
  folders_.clear();
  nodes_[""] = {.in_upper = true};
  read_folder(root_.get(), "");
}

void RootModel::put(const std::string& path, Node node) {
  (void)clear_whiteout(path);
  nodes_[path] = std::move(node);
  made_.push_back(path);
}

void RootModel::end_batch() {
  for (auto& [path, node] : nodes_) node.owner = kBefore;
}

void RootModel::read_folder(int folder_fd, const std::string& path) {
  for (const FolderEntry& entry : list_folder_types(folder_fd)) {
    std::string place = join_path(path, entry.name);
    Node node{.type = type_of(folder_fd, entry), .in_upper = true};
    if (node.type == EntryType::symlink) node.link = read_link(folder_fd, entry.name);
    if (node.type == EntryType::directory) {
      const UniqueFd folder = open_at(folder_fd, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      node.hides_below = !below_.layers().empty() && ::fgetxattr(folder.get(), opaque_mark(), nullptr, 0) > 0;
      read_folder(folder.get(), place);
    }
    nodes_[std::move(place)] = std::move(node);
  }
}

RootModel::Node* RootModel::find(const std::string& path) {
  const auto it = nodes_.find(path);
  if (it != nodes_.end()) return it->second.type == EntryType::whiteout ? nullptr : &it->second;
  const Entry* entry = below_.find(path);
  if (entry == nullptr || is_hidden(path)) return nullptr;
  Node node{.type = entry->type,
            .link = entry->link_target,
            .mode = entry->mode,
            .uid = entry->uid,
            .gid = entry->gid,
            .mtime = entry->mtime};
  return &nodes_.emplace(path, std::move(node)).first->second;
}

/// Whether something above a path of the layers below keeps it from being seen.
bool RootModel::is_hidden(const std::string& path) const {
  for (std::string at = parent_path(path); !at.empty(); at = parent_path(at)) {
    const auto it = nodes_.find(at);
    if (it != nodes_.end() && (it->second.type != EntryType::directory || it->second.hides_below))
      return true;
  }
  return false;
}

/// True if there was one.
bool RootModel::clear_whiteout(const std::string& path) {
  const auto it = nodes_.find(path);
  if (it == nodes_.end() || it->second.type != EntryType::whiteout) return false;
  if (::unlinkat(root_.get(), path.c_str(), 0) != 0) throw system_error("replace /" + path, errno);
  cleared_.push_back(path);
  return true;
}

void RootModel::make_folder(const std::string& path, std::uint32_t owner) {
  ensure_in_upper(parent_path(path));
  const bool hides_below = clear_whiteout(path);
  if (::mkdirat(root_.get(), path.c_str(), 0755) != 0) throw system_error("make the folder /" + path, errno);
  if (hides_below) {
    // What the layers below have there is gone for good.
    const UniqueFd folder = open_at(root_.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (::fsetxattr(folder.get(), opaque_mark(), "y", 1, 0) != 0) throw system_error("mark /" + path, errno);
  }
  nodes_[path] = {.type = EntryType::directory,
                  .owner = owner,
                  .in_upper = true,
                  .hides_below = hides_below,
                  .mtime = time_};
  made_.push_back(path);
}

void RootModel::ensure_in_upper(const std::string& path) {
  if (path.empty()) return;
  Node* node = find(path);
  check(node != nullptr, "folders are made before what is in them");
  if (node->in_upper) return;
  ensure_in_upper(parent_path(path));
  if (::mkdirat(root_.get(), path.c_str(), 0755) != 0) throw system_error("make the folder /" + path, errno);
  node = find(path);
  node->in_upper = true;
  if (::fchownat(root_.get(), path.c_str(), node->uid, node->gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fchmodat(root_.get(), path.c_str(), node->mode, 0) != 0)
    throw system_error("set the owner of /" + path, errno);
}

std::string RootModel::resolve_link(const std::string& folder, const Node& link, std::uint32_t owner,
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
    at = resolve_folder(join_path(at, part), owner, depth + 1);
  }
  return at;
}

std::string RootModel::resolve_folder(const std::string& path, std::uint32_t owner, int depth) {
  if (path.empty()) return path;
  const auto known = folders_.find(path);
  if (known != folders_.end()) return known->second;
  const std::string parent = resolve_folder(parent_path(path), owner, depth);
  const std::string place = join_path(parent, base_name(path));
  Node* node = find(place);
  std::string result = place;
  if (node == nullptr) {
    make_folder(place, owner);
  } else if (node->type == EntryType::symlink) {
    const Node link = *node;
    result = resolve_link(place, link, owner, depth + 1);
  } else if (node->type != EntryType::directory) {
    throw Error(ErrorKind::integrity, "/" + path + " is not a folder, but packages have files in it");
  }
  folders_[path] = result;
  return result;
}

void RootModel::set_attributes(const std::string& path, EntryType type, std::uint32_t uid, std::uint32_t gid,
                               std::uint32_t mode, std::int64_t mtime) const {
  const std::array<timespec, 2> times{{{mtime, 0}, {mtime, 0}}};
  if (::fchownat(root_.get(), path.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      (type != EntryType::symlink && ::fchmodat(root_.get(), path.c_str(), mode, AT_SYMLINK_NOFOLLOW) != 0) ||
      ::utimensat(root_.get(), path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("set the owner of /" + path, errno);
}

void RootModel::finish_folders() {
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) {
    const Node& node = nodes_.at(*it);
    if (node.type == EntryType::directory)
      set_attributes(*it, node.type, node.uid, node.gid, node.mode, node.mtime);
  }
}

void RootModel::undo() {
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) {
    const bool folder = nodes_.at(*it).type == EntryType::directory;
    if (::unlinkat(root_.get(), it->c_str(), folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
      throw system_error("undo /" + *it, errno);
  }
  for (const std::string& path : cleared_)
    if (::mknodat(root_.get(), path.c_str(), S_IFCHR | 0600U, 0) != 0)
      throw system_error("undo the removal of /" + path, errno);
  begin_batch();
}

}  // namespace alephc
