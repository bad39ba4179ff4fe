// SPDX-License-Identifier: MIT
#include "vm/unix_socket.hpp"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/diagnostic.hpp"

namespace alephc {
namespace {

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.size() >= sizeof address.sun_path)
    throw Error(ErrorKind::host, "the path " + text + " is too long for a socket");
  text.copy(address.sun_path, text.size());
  return address;
}

}  // namespace

UniqueFd listen_unix(const std::filesystem::path& path) {
  const sockaddr_un address = address_of(path);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0)
    throw system_error("listen on " + path.string(), errno);
  return fd;
}

UniqueFd connect_unix(const std::filesystem::path& path) {
  // The folder may belong to an emulator that a guest has taken over: a link there must not lead us elsewhere.
  const UniqueFd place(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!place || ::fstat(place.get(), &info) != 0 || !S_ISSOCK(info.st_mode)) return {};
  const sockaddr_un address = address_of("/proc/self/fd/" + std::to_string(place.get()));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

}  // namespace alephc
