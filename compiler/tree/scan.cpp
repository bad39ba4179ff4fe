// SPDX-License-Identifier: MIT
#include "tree/scan.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

// An overlay in a user namespace keeps its marks in "user.", where a file's own attributes are too.
constexpr std::string_view kOpaque = "trusted.overlay.opaque";
constexpr std::string_view kUserOpaque = "user.overlay.opaque";
constexpr std::string_view kUserOverlay = "user.overlay.";

constexpr std::uint64_t kMostNames = 512ULL << 20U;  ///< bytes of paths and targets in one tree

struct Scanner {
  const ScanOptions& options;
  ScanResult result{};
  std::map<std::pair<dev_t, ino_t>, std::vector<std::size_t>> groups{};

  std::uint64_t names = 0;  ///< bytes of paths and targets of links so far
  std::uint64_t bytes = 0;  ///< of contents, holes too

  void take(const Entry& entry);
  void visit(int dir_fd, const std::string& name, const std::string& path);
  void visit_children(int parent_fd, const std::string& name, const std::string& path);
  bool classify(Entry& entry, const struct stat& info, const std::string& path) const;
  void classify_regular(Entry& entry, const struct stat& info) const;
};

std::string proc_path(int dir_fd, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(dir_fd) + (name == "." ? "" : "/" + name);
}

std::string read_xattr(const std::string& path, const char* name) {
  std::string value(256, '\0');
  for (;;) {
    const ssize_t got = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    if (got >= 0) {
      value.resize(static_cast<std::size_t>(got));
      return value;
    }
    if (errno != ERANGE) throw system_error("read an attribute of " + path, errno);
    value.resize(65536);
  }
}

std::vector<Xattr> read_xattrs(const std::string& path, bool& opaque) {
  std::array<char, 4096> small{};
  std::string names;
  ssize_t length = ::llistxattr(path.c_str(), small.data(), small.size());
  if (length < 0 && errno == ERANGE) {
    names.resize(65536);
    length = ::llistxattr(path.c_str(), names.data(), names.size());
  } else if (length > 0) {
    names.assign(small.data(), static_cast<std::size_t>(length));
  }
  if (length < 0) {
    if (errno == ENOTSUP) return {};
    throw system_error("list the attributes of " + path, errno);
  }
  names.resize(static_cast<std::size_t>(length));
  std::vector<Xattr> xattrs;
  for (std::size_t at = 0; at < names.size(); at += std::strlen(&names[at]) + 1) {
    const char* name = &names[at];
    if (name == kOpaque || (name == kUserOpaque && in_user_namespace())) opaque = true;
    if (!keeps_xattr(name)) continue;
    std::string value = read_xattr(path, name);
    if (std::string_view(name) == "security.capability") value = portable_capability(std::move(value));
    xattrs.push_back({name, std::move(value)});
  }
  std::sort(xattrs.begin(), xattrs.end());
  return xattrs;
}

void Scanner::classify_regular(Entry& entry, const struct stat& info) const {
  entry.type = EntryType::regular;
  entry.size = static_cast<std::uint64_t>(info.st_size);
  if (options.known == nullptr) return;
  entry.content = options.known->find(info);
  const auto device = options.known->find_device(info);
  if (!device) return;
  entry.type = EntryType::char_device;
  entry.major = device->first;
  entry.minor = device->second;
}

bool Scanner::classify(Entry& entry, const struct stat& info, const std::string& path) const {
  using enum EntryType;
  switch (info.st_mode & S_IFMT) {
    case S_IFDIR:
      entry.type = directory;
      return true;
    case S_IFREG:
      classify_regular(entry, info);
      return true;
    case S_IFLNK:
      entry.type = symlink;
      entry.mode = 0777;
      return true;
    case S_IFIFO:
      entry.type = fifo;
      return true;
    case S_IFCHR:
    case S_IFBLK:
      entry.type = S_ISCHR(info.st_mode) ? char_device : block_device;
      entry.major = ::major(info.st_rdev);
      entry.minor = ::minor(info.st_rdev);
      if (options.overlay && entry.type == char_device && info.st_rdev == 0) {
        entry = Entry{.path = path, .type = whiteout};
      }
      return true;
    default:
      if (options.clamp_mtime) return false;
      throw Error(ErrorKind::failed, "/" + path + " is a socket, which no image can hold");
  }
}

/// A listing is held in memory, and every byte is hashed: holes cost a script nothing, and us their time.
void Scanner::take(const Entry& entry) {
  names += entry.path.size() + entry.link_target.size();
  bytes += entry.size;
  if (result.listing.size() >= limits::kArchiveEntries || names > kMostNames)
    throw Error(ErrorKind::failed, "the tree has more paths, or longer ones, than a tree may have",
                "docs/limits.md lists what alephc takes at most");
  if (bytes > limits::kArchiveBytes)
    throw Error(ErrorKind::failed, "the files of the tree have more than " + human_size(limits::kArchiveBytes),
                "holes count: docs/limits.md lists what alephc takes at most");
  throw_if_interrupted();
}

void Scanner::visit(int dir_fd, const std::string& name, const std::string& path) {
  // Each level takes a descriptor and a piece of the stack.
  const bool too_deep =
      path.size() >= 2 * limits::kPathDepth &&
      static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) > limits::kPathDepth;
  if (too_deep || path.size() > limits::kPathBytes)
    throw Error(ErrorKind::failed,
                "folders of the tree are nested too deep, or a path is too long: /" + path.substr(0, 60) + "…",
                "a tree holds at most " + std::to_string(limits::kPathDepth) + " levels and paths of " +
                    std::to_string(limits::kPathBytes) + " bytes: remove what is beyond before the step ends");
  struct stat info {};
  if (::fstatat(dir_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error("look at /" + path, errno);
  Entry entry{.path = path,
              .mode = info.st_mode & 07777U,
              .uid = info.st_uid,
              .gid = info.st_gid,
              .mtime = info.st_mtim.tv_sec};
  if (!classify(entry, info, path)) {
    if (::unlinkat(dir_fd, name.c_str(), 0) != 0) throw system_error("remove the socket /" + path, errno);
    return;
  }
  const bool is_folder = entry.type == EntryType::directory;
  if (entry.type == EntryType::symlink) entry.link_target = read_link(dir_fd, name);
  if (entry.type != EntryType::whiteout) {
    bool opaque = false;
    // Files that are as alephc wrote them have none.
    if ((entry.type == EntryType::regular && entry.content.is_zero()) || is_folder)
      entry.xattrs = read_xattrs(proc_path(dir_fd, name), opaque);
    if (opaque) result.opaque.push_back(path);
    if (!is_folder && info.st_nlink > 1) groups[{info.st_dev, info.st_ino}].push_back(result.listing.size());
  }
  const bool clamp =
      options.clamp_mtime && entry.type != EntryType::whiteout && entry.mtime > *options.clamp_mtime;
  if (clamp) entry.mtime = *options.clamp_mtime;
  take(entry);
  result.listing.push_back(std::move(entry));
  if (is_folder) visit_children(dir_fd, name, path);
  if (clamp) {
    const std::array<timespec, 2> times{{{0, UTIME_OMIT}, {*options.clamp_mtime, 0}}};
    if (::utimensat(dir_fd, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error("set the time of /" + path, errno);
  }
}

void Scanner::visit_children(int parent_fd, const std::string& name, const std::string& path) {
  const UniqueFd dir = open_at(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  for (const std::string& child : list_folder(dir.get()))
    visit(dir.get(), child, path.empty() ? child : path + "/" + child);
}

void hash_contents(const std::filesystem::path& folder, Listing& listing, unsigned jobs) {
  const UniqueFd root = open_file(folder, O_RDONLY | O_DIRECTORY);
  std::vector<Entry*> files;
  for (Entry& entry : listing)
    if (entry.type == EntryType::regular && entry.hard_link.empty() && entry.content.is_zero())
      files.push_back(&entry);
  parallel_for(files.size(), jobs, [&](std::size_t i) {
    const UniqueFd fd = open_at(root.get(), files[i]->path, O_RDONLY | O_NOFOLLOW);
    files[i]->content = sha256_fd(fd.get());
  });
  for (Entry& entry : listing)
    if (!entry.hard_link.empty() && entry.type == EntryType::regular)
      entry.content = find_entry(listing, entry.hard_link)->content;
}

}  // namespace

bool keeps_xattr(std::string_view name) {
  return name == "security.capability" || (name.starts_with("user.") && !name.starts_with(kUserOverlay)) ||
         name == "system.posix_acl_access" || name == "system.posix_acl_default";
}

std::string portable_capability(std::string value) {
  constexpr std::size_t kVersion2Size = 20;
  constexpr std::uint32_t kVersionMask = 0xff000000U;
  constexpr std::uint32_t kVersion2 = 0x02000000U;
  if (value.size() <= kVersion2Size) return value;
  std::uint32_t magic = 0;
  std::memcpy(&magic, value.data(), sizeof magic);
  magic = (magic & ~kVersionMask) | kVersion2;
  value.resize(kVersion2Size);
  std::memcpy(value.data(), &magic, sizeof magic);
  return value;
}

ScanResult scan_folder(const std::filesystem::path& folder, const ScanOptions& options) {
  const UniqueFd root = open_file(folder, O_RDONLY | O_DIRECTORY);
  Scanner scanner{.options = options};
  scanner.visit(root.get(), ".", "");
  Listing& listing = scanner.result.listing;
  for (const auto& [inode, members] : scanner.groups) {
    std::size_t first = members.front();
    for (const std::size_t i : members)
      if (listing[i].path < listing[first].path) first = i;
    for (const std::size_t i : members)
      if (i != first) listing[i].hard_link = listing[first].path;
  }
  std::sort(listing.begin(), listing.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
  if (options.hash) hash_contents(folder, listing, options.jobs);
  return std::move(scanner.result);
}

}  // namespace alephc
