// SPDX-License-Identifier: MIT
// The program that `alephc conform` runs in a machine: an HTTP server on port 8080 that says what it sees.
// Static, so that it runs in an image with nothing else.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char** environ;

namespace {

std::string read_file(const std::string& path) {
  std::string out;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "cannot read: " + std::string(std::strerror(errno));
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<std::size_t>(got));
  ::close(fd);
  return out;
}

std::string write_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool done = fd >= 0 && ::write(fd, "probe", 5) == 5;
  const std::string problem = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  return done ? "written" : "cannot write: " + problem;
}

std::string ask_guest_api() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/tmp/socat-socket");
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::strerror(errno);
  const char request[] = "GET /properties HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::write(fd, request, sizeof request - 1) < 0) return std::strerror(errno);
  std::string out;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<std::size_t>(got));
  ::close(fd);
  return out;
}

std::string environment() {
  std::string out;
  for (char** entry = environ; *entry != nullptr; ++entry) out += std::string(*entry) + "\n";
  return out;
}

std::string answer(const std::string& target, const std::string& head, const std::string& body) {
  if (target == "/environ") return environment();
  if (target == "/hostname") {
    utsname names{};
    ::uname(&names);
    return names.nodename;
  }
  if (target == "/guest-api") return ask_guest_api();
  if (target == "/head") return head;
  if (target == "/echo") return body;
  if (target == "/write") return write_file("/var/probe");
  if (target.starts_with("/file/")) return read_file(target.substr(5));
  if (target.starts_with("/write/")) return write_file(target.substr(6));
  if (target == "/exit") ::_exit(3);
  return "probe " + target;
}

void serve(int client) {
  std::string bytes;
  char buffer[65536];
  std::size_t end = 0;
  while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
    const ssize_t got = ::read(client, buffer, sizeof buffer);
    if (got <= 0) return;
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
  const std::string head = bytes.substr(0, end);
  const std::size_t length_at = head.find("content-length: ");
  const std::size_t length = length_at == std::string::npos ? 0 : std::stoul(head.substr(length_at + 16));
  std::string body = bytes.substr(end + 4);
  while (body.size() < length) {
    const ssize_t got = ::read(client, buffer, sizeof buffer);
    if (got <= 0) return;
    body.append(buffer, static_cast<std::size_t>(got));
  }
  const std::size_t begin = head.find(' ') + 1;
  const std::string text = answer(head.substr(begin, head.find(' ', begin) - begin), head, body);
  std::string out =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Probe: yes\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
      "Content-Length: " +
      std::to_string(text.size()) + "\r\n\r\n" + text;
  std::size_t sent = 0;
  while (sent < out.size()) {
    const ssize_t put = ::write(client, out.data() + sent, out.size() - sent);
    if (put <= 0) return;
    sent += static_cast<std::size_t>(put);
  }
}

}  // namespace

int main() {
  ::signal(SIGCHLD, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(8080);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 512) != 0)
    return 1;
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (::fork() == 0) {
      serve(client);
      ::_exit(0);
    }
    ::close(client);
  }
}
