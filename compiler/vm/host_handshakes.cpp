// SPDX-License-Identifier: MIT
#include "vm/host_handshakes.hpp"

#include <array>
#include <cerrno>

#include <sys/socket.h>
#include <unistd.h>

#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::size_t kMostLine = 32;

}  // namespace

void HostHandshakes::accept(int listener) {
  if (!has_room()) return;
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  const int number = fd.get();
  waiting_[number] = {.fd = std::move(fd)};
}

std::vector<int> HostHandshakes::fds() const {
  std::vector<int> fds;
  for (const auto& [fd, waiting] : waiting_) fds.push_back(fd);
  return fds;
}

std::optional<HostCall> HostHandshakes::read(int fd) {
  std::array<char, 65536> bytes{};
  std::string& text = waiting_[fd].text;
  const ssize_t got = ::read(fd, bytes.data(), bytes.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (got > 0) text.append(bytes.data(), static_cast<std::size_t>(got));
  const std::size_t end = text.find('\n');
  if (end == std::string::npos && got > 0 && text.size() < kMostLine) return std::nullopt;
  Waiting done = std::move(waiting_[fd]);
  waiting_.erase(fd);
  const std::string line = done.text.substr(0, end);
  if (end == std::string::npos || !line.starts_with("CONNECT ")) return std::nullopt;
  const auto port = parse_unsigned(std::string_view(line).substr(8));
  if (!port || *port > UINT32_MAX) return std::nullopt;
  return HostCall{std::move(done.fd), static_cast<std::uint32_t>(*port), done.text.substr(end + 1)};
}

}  // namespace alephc
