// SPDX-License-Identifier: MIT
#include "distro/device_node.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"

namespace alephc {
namespace {

void stand_in_for_device(int root_fd, const std::string& place, unsigned major, unsigned minor, mode_t mode,
                         KnownContents& known) {
  const UniqueFd file = open_at(root_fd, place, O_WRONLY | O_CREAT | O_EXCL, mode);
  struct stat info {};
  if (::fchmod(file.get(), mode) != 0 || ::fstat(file.get(), &info) != 0)
    throw system_error("make /" + place, errno);
  known.add_device(info, major, minor);
}

}  // namespace

void make_device(int root_fd, const std::string& place, unsigned major, unsigned minor, mode_t mode,
                 KnownContents& known) {
  const bool made = ::mknodat(root_fd, place.c_str(), S_IFCHR | mode, ::makedev(major, minor)) == 0;
  if (!made && errno == EPERM) return stand_in_for_device(root_fd, place, major, minor, mode, known);
  if (!made || ::fchmodat(root_fd, place.c_str(), mode, 0) != 0) throw system_error("make /" + place, errno);
}

}  // namespace alephc
