// SPDX-License-Identifier: MIT
#include "base/root_folder.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kInside = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string name_of(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

RootFolder::RootFolder(const std::filesystem::path& folder)
    : root_(open_file(folder, O_PATH | O_DIRECTORY)) {}

UniqueFd RootFolder::open_parent(const std::string& path) const {
  return open_resolved(root_.get(), parent_of(path), O_RDONLY | O_DIRECTORY, kInside);
}

std::optional<mode_t> RootFolder::type_of(const std::string& path) const {
  struct stat info {};
  const UniqueFd parent = open_parent(path);
  if (!parent || ::fstatat(parent.get(), name_of(path).c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return std::nullopt;
  return info.st_mode & S_IFMT;
}

bool RootFolder::has(const std::string& path) const {
  return type_of(path).has_value();
}

bool RootFolder::has_file(const std::string& path) const {
  return type_of(path) == S_IFREG;
}

std::optional<std::string> RootFolder::read(const std::string& path) const {
  struct stat info {};
  // Not blocked by a fifo that stands there.
  const UniqueFd file = open_resolved(root_.get(), path, O_RDONLY | O_NONBLOCK, kInside);
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  if (static_cast<std::uint64_t>(info.st_size) > limits::kRootText)
    throw Error(ErrorKind::failed, "/" + path + " in the image has more than " + human_size(limits::kRootText));
  return read_all(file.get());
}

std::vector<std::string> RootFolder::list(const std::string& path) const {
  const UniqueFd folder = open_resolved(root_.get(), path, O_RDONLY | O_DIRECTORY, kInside);
  return folder ? list_folder(folder.get()) : std::vector<std::string>();
}

void RootFolder::write(const std::string& path, std::string_view data, mode_t mode) const {
  make_folders(parent_of(path));
  const UniqueFd parent = open_parent(path);
  if (!parent) throw system_error("open the folder of /" + path + " in the image", errno);
  atomic_write("/proc/self/fd/" + std::to_string(parent.get()) + "/" + name_of(path), data, mode);
}

void RootFolder::make_folders(const std::string& path) const {
  if (path == "." || open_resolved(root_.get(), path, O_PATH | O_DIRECTORY, kInside)) return;
  make_folders(parent_of(path));
  const UniqueFd parent = open_parent(path);
  if (!parent || ::mkdirat(parent.get(), name_of(path).c_str(), 0755) != 0)
    throw system_error("create the folder /" + path + " in the image", errno);
}

void RootFolder::remove(const std::string& path) const {
  if (const UniqueFd parent = open_parent(path)) remove_tree_at(parent.get(), name_of(path));
}

}  // namespace alephc
