// SPDX-License-Identifier: MIT
#include "sandbox/given_files.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "tree/entry.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

}  // namespace

StagedName StagedName::of_project_path(const std::string& path) {
  std::string name;
  bool leading = true;
  bool bad = path.starts_with('/');
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || (leading && (part == ".." || part == "."))) continue;
    leading = false;
    bad = bad || part == "." || part == "..";
    name += (name.empty() ? "" : "/") + part;
  }
  if (bad || name.empty())
    throw Error(ErrorKind::failed, "'" + path + "' cannot be handed to a step",
                "name a file or folder by a plain path, without '..' in the middle");
  return StagedName(std::move(name));
}

StagedName StagedName::of_file_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos || name.size() > 255)
    throw Error(ErrorKind::integrity, "'" + name.substr(0, 300) + "' is not a file name");
  return StagedName(name);
}

StagingFolder::StagingFolder(const fs::path& folder) {
  make_folders(folder);
  folder_ = open_file(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

/// Makes the folders that a path is in.
UniqueFd StagingFolder::parent_of(const std::string& path) const {
  UniqueFd at(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::vector<std::string> parts = split(path, '/');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (::mkdirat(at.get(), parts[i].c_str(), 0755) != 0 && errno != EEXIST)
      throw system_error("make a folder for '" + path + "'", errno);
    UniqueFd next = open_resolved(at.get(), parts[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                                  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (!next)
      throw Error(ErrorKind::failed, "'" + path + "' is below a link or a file that is an input too",
                  "name either the one or the other");
    at = std::move(next);
  }
  return at;
}

namespace {

void require(bool good, const StagedName& name) {
  if (good) return;
  if (errno == EEXIST)
    throw Error(ErrorKind::failed, "two inputs have the name '" + name.text() + "'",
                "paths are named without leading '..': rename one of them");
  throw system_error("stage '" + name.text() + "'", errno);
}

}  // namespace

UniqueFd StagingFolder::create(const StagedName& name, mode_t mode) const {
  const UniqueFd parent = parent_of(name.text());
  const std::string last = base_name(name.text());
  UniqueFd file(::openat(parent.get(), last.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  require(static_cast<bool>(file), name);
  if (::fchmod(file.get(), mode) != 0) throw system_error("chmod '" + name.text() + "'", errno);
  return file;
}

void StagingFolder::make_link(const StagedName& name, const std::string& target) const {
  const UniqueFd parent = parent_of(name.text());
  require(::symlinkat(target.c_str(), parent.get(), base_name(name.text()).c_str()) == 0, name);
}

void StagingFolder::make_folder(const StagedName& name) const {
  (void)parent_of(name.text() + "/-");
}

GivenFiles::GivenFiles(const fs::path& scratch) : folder_(scratch / "files") {
  make_folders(folder_);
}

fs::path GivenFiles::next(const std::string& target) {
  const fs::path place = folder_ / std::to_string(mounts_.size());
  mounts_.push_back({place, target});
  return place;
}

void GivenFiles::add_text(const std::string& target, std::string_view text, mode_t mode) {
  atomic_write(next(target), text, mode);
}

StagingFolder GivenFiles::add_folder(const std::string& target) {
  return StagingFolder(next(target));
}

void GivenFiles::give_to(SandboxOptions& options) const {
  options.given = folder_;
  options.read_only = mounts_;
}

}  // namespace alephc
