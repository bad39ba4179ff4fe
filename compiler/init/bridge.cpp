// SPDX-License-Identifier: MIT
#include "init/bridge.hpp"

#include <array>
#include <cerrno>
#include <memory>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "init/errors.hpp"
#include "init/threads.hpp"

namespace aleph_init {
namespace {

/// Copies what is there from one end to the other; false at its end.
bool pass_on(int from, int to) {
  std::array<char, 16384> buffer{};
  const ssize_t got = ::read(from, buffer.data(), buffer.size());
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) return false;
  write_all(to, {buffer.data(), static_cast<std::size_t>(got)});
  return true;
}

void serve(const Handle& client, const Handle& host) {
  bool from_client = true;
  for (;;) {
    std::array<pollfd, 2> polls{{{from_client ? client.get() : -1, POLLIN, 0}, {host.get(), POLLIN, 0}}};
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) return;
    if (polls[0].revents != 0 && !pass_on(client.get(), host.get())) from_client = false;
    if (polls[1].revents != 0 && !pass_on(host.get(), client.get())) return;
    // There is no half-close through the host's socket: an answer may still come, but not for ever.
    if (!from_client && ::poll(&polls[1], 1, 30000) <= 0) return;
  }
}

}  // namespace

void start_bridge(const std::string& path, std::function<Handle()> connect_to_host) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw SetupError("the path " + path + " is too long");
  path.copy(address.sun_path, path.size());
  ::unlink(path.c_str());
  Handle listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener || ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 128) != 0)
    throw os_error("listen on " + path, errno);
  ::chmod(path.c_str(), 0777);
  start_thread(
      [listener = std::make_shared<Handle>(std::move(listener)), connect = std::move(connect_to_host)] {
        for (;;) {
          auto client = std::make_shared<Handle>(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
          if (!*client) {
            if (errno != EINTR && errno != ECONNABORTED) ::usleep(50000);
            continue;
          }
          start_thread([client, connect] {
            const Handle host = connect();
            if (host) serve(*client, host);
          });
        }
      });
}

}  // namespace aleph_init
