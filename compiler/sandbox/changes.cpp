// SPDX-License-Identifier: MIT
#include "sandbox/changes.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "tree/entry.hpp"
#include "tree/scan.hpp"

namespace alephc {
namespace {

using Xattrs = std::map<std::string, std::string>;

struct stat look(int folder, const std::string& name) {
  struct stat info {};
  if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) throw system_error("look at " + name, errno);
    info.st_nlink = 0;
  }
  return info;
}

bool is_there(const struct stat& info) {
  return info.st_nlink > 0;
}

bool is_folder(const struct stat& info) {
  return is_there(info) && S_ISDIR(info.st_mode);
}

bool is_whiteout(const struct stat& info) {
  return S_ISCHR(info.st_mode) && info.st_rdev == 0;
}

UniqueFd open_folder(int parent, const std::string& name) {
  return open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::string join_path(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

Xattrs read_xattrs(int fd) {
  std::string names(65536, '\0');
  const ssize_t length = ::flistxattr(fd, names.data(), names.size());
  if (length < 0 && errno != ENOTSUP) throw system_error("list the attributes of a folder", errno);
  Xattrs xattrs;
  for (ssize_t at = 0; at < length;) {
    const char* name = &names[static_cast<std::size_t>(at)];
    at += static_cast<ssize_t>(std::strlen(name)) + 1;
    std::string value(65536, '\0');
    const ssize_t size = ::fgetxattr(fd, name, value.data(), value.size());
    if (size < 0) throw system_error("read an attribute of a folder", errno);
    value.resize(static_cast<std::size_t>(size));
    xattrs.emplace(name, std::move(value));
  }
  return xattrs;
}

bool is_opaque(const Xattrs& xattrs) {
  return xattrs.contains("trusted.overlay.opaque") || xattrs.contains("user.overlay.opaque");
}

void copy_xattrs(const Xattrs& from, int to) {
  for (const auto& [name, value] : read_xattrs(to))
    if (keeps_xattr(name) && !from.contains(name) && ::fremovexattr(to, name.c_str()) != 0)
      throw system_error("remove an attribute of a folder", errno);
  for (const auto& [name, value] : from)
    if (keeps_xattr(name) && ::fsetxattr(to, name.c_str(), value.data(), value.size(), 0) != 0)
      throw system_error("set an attribute of a folder", errno);
}

void set_attributes(int folder, const struct stat& info) {
  const std::array<timespec, 2> times{info.st_atim, info.st_mtim};
  if (::fchown(folder, info.st_uid, info.st_gid) != 0 || ::fchmod(folder, info.st_mode & 07777U) != 0 ||
      ::futimens(folder, times.data()) != 0)
    throw system_error("set the owner of a folder", errno);
}

/// Moves members of groups to the changes, folder by folder, without a trace in the folders' times.
class Lifter {
 public:
  Lifter(const std::filesystem::path& folder, const std::filesystem::path& changes)
      : folder_(open_file(folder, O_RDONLY | O_DIRECTORY)),
        changes_(open_file(changes, O_RDONLY | O_DIRECTORY)) {}

  void lift(const std::string& path) {
    const struct stat info = look(folder_.get(), path);
    if (!is_there(info) || S_ISDIR(info.st_mode)) return;
    const std::string parent = parent_path(path);
    make(parent);
    if (::renameat(folder_.get(), path.c_str(), changes_.get(), path.c_str()) != 0)
      throw system_error("move /" + path, errno);
  }

  void finish() const {
    for (const auto& [path, info] : made_) {
      set_attributes(open_folder(folder_.get(), path.empty() ? "." : path).get(), info);
      set_attributes(open_folder(changes_.get(), path.empty() ? "." : path).get(), info);
    }
  }

  /// A folder of the changes like the one of the same name.
  void make(const std::string& path) {
    if (made_.contains(path)) return;
    if (!path.empty()) {
      make(parent_path(path));
      if (::mkdirat(changes_.get(), path.c_str(), 0700) != 0) throw system_error("make /" + path, errno);
    }
    const UniqueFd from = open_folder(folder_.get(), path.empty() ? "." : path);
    struct stat info {};
    if (::fstat(from.get(), &info) != 0) throw system_error("look at /" + path, errno);
    made_.emplace(path, info);
    copy_xattrs(read_xattrs(from.get()), open_folder(changes_.get(), path.empty() ? "." : path).get());
  }

 private:
  UniqueFd folder_;
  UniqueFd changes_;
  std::map<std::string, struct stat> made_;
};

class Merger {
 public:
  Merger(bool keep_whiteouts, std::set<std::string>& linked)
      : keep_whiteouts_(keep_whiteouts), linked_(linked) {}

  void merge_folder(int from, int to, const std::string& path) {
    struct stat info {};
    if (::fstat(from, &info) != 0) throw system_error("look at /" + path, errno);
    for (const std::string& name : list_folder(from)) merge(from, to, name, join_path(path, name));
    copy_xattrs(read_xattrs(from), to);
    set_attributes(to, info);  // last: the moves changed its time
  }

 private:
  void merge(int from, int to, const std::string& name, const std::string& path) {
    const struct stat changed = look(from, name);
    const struct stat old = look(to, name);
    linked_.erase(path);
    if (is_whiteout(changed) && !keep_whiteouts_) return remove_tree_at(to, name);
    if (is_folder(changed) && is_folder(old)) {
      const UniqueFd changed_folder = open_folder(from, name);
      if (!is_opaque(read_xattrs(changed_folder.get())))
        return merge_folder(changed_folder.get(), open_folder(to, name).get(), path);
    }
    if (is_folder(changed) || is_folder(old)) remove_tree_at(to, name);
    if (::renameat(from, name.c_str(), to, name.c_str()) != 0) throw system_error("move /" + path, errno);
    note_links(to, name, path, changed);
  }

  void note_links(int folder, const std::string& name, const std::string& path, const struct stat& info) {
    if (!is_folder(info)) {
      if (info.st_nlink > 1 && !is_whiteout(info)) linked_.insert(path);
      return;
    }
    const UniqueFd below = open_folder(folder, name);
    for (const std::string& child : list_folder(below.get()))
      note_links(below.get(), child, join_path(path, child), look(below.get(), child));
  }

  bool keep_whiteouts_;
  std::set<std::string>& linked_;
};

}  // namespace

void prepare_changes(const std::filesystem::path& changes, const std::filesystem::path& folder,
                     const std::set<std::string>& linked) {
  make_folders(changes, 0700);
  Lifter lifter(folder, changes);
  lifter.make("");
  for (const std::string& path : linked) lifter.lift(path);
  lifter.finish();
}

void merge_changes(const std::filesystem::path& changes, const std::filesystem::path& folder,
                   bool keep_whiteouts, std::set<std::string>& linked) {
  const UniqueFd from = open_file(changes, O_RDONLY | O_DIRECTORY);
  const UniqueFd to = open_file(folder, O_RDONLY | O_DIRECTORY);
  Merger(keep_whiteouts, linked).merge_folder(from.get(), to.get(), "");
  remove_tree(changes);
}

}  // namespace alephc
