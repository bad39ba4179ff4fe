// SPDX-License-Identifier: MIT
//
// The file is put into the upper folder before anything is mounted, as if the steps before had left it. /etc keeps the
// attributes and the time that it would have without: what a step leaves must not tell that the file was there.
#include "sandbox/host_names.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"

namespace alephc {
namespace {

constexpr const char* kFolder = "etc";
constexpr const char* kFile = "etc/hosts";

/// The folder itself and not what a symlink leads to; empty if it is none.
UniqueFd open_folder(const RootFolder& root) {
  return UniqueFd(::openat(root.fd(), kFolder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

struct stat attributes_of(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw system_error("look at /etc of the image", errno);
  return info;
}

void set_time(int fd, const struct stat& of) {
  const std::array<timespec, 2> times{of.st_atim, of.st_mtim};
  if (::futimens(fd, times.data()) != 0) throw system_error("set the time of /etc of the image", errno);
}

/// The same inode, so that its owner, mode and other names stay what the commands made them.
void rewrite(int folder, const std::string& text) {
  const UniqueFd file(::openat(folder, "hosts", O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) throw system_error("write /etc/hosts of the image", errno);
  write_all(file.get(), text);
}

}  // namespace

HostNames::HostNames(const SandboxRoot& root, const std::string& text) : upper_(root.upper), text_(text) {
  const bool present =
      upper_.has(kFile) || std::any_of(root.lowers.begin(), root.lowers.end(),
                                       [](const auto& lower) { return RootFolder(lower).has(kFile); });
  if (text_.empty() || present || !make_folder(root)) return;
  const UniqueFd folder = open_folder(upper_);
  const struct stat before = attributes_of(folder.get());
  upper_.write(kFile, text_);
  set_time(folder.get(), before);
  put_ = true;
}

bool HostNames::make_folder(const SandboxRoot& root) {
  if (upper_.has(kFolder)) return static_cast<bool>(open_folder(upper_));
  for (const auto& lower : root.lowers) {
    const UniqueFd below = open_folder(RootFolder(lower));
    if (!below) continue;
    const struct stat info = attributes_of(below.get());
    if (::mkdirat(upper_.fd(), kFolder, 0700) != 0) throw system_error("make /etc in the sandbox", errno);
    const UniqueFd folder = open_folder(upper_);
    if (::fchown(folder.get(), info.st_uid, info.st_gid) != 0 ||
        ::fchmod(folder.get(), info.st_mode & 07777U) != 0)
      throw system_error("make /etc in the sandbox", errno);
    set_time(folder.get(), info);
    made_folder_ = true;
    return true;
  }
  return false;
}

void HostNames::take_back() const {
  if (!put_ || !upper_.has_file(kFile)) return;
  const std::string now = upper_.read(kFile).value_or("");
  if (!now.starts_with(text_)) return;
  const UniqueFd folder = open_folder(upper_);
  const struct stat before = attributes_of(folder.get());
  if (now == text_)
    upper_.remove(kFile);
  else
    rewrite(folder.get(), now.substr(text_.size()));
  set_time(folder.get(), before);
  // Fails where the commands put something else there, which then stays.
  if (made_folder_) (void)::unlinkat(upper_.fd(), kFolder, AT_REMOVEDIR);
}

}  // namespace alephc
