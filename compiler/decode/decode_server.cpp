// SPDX-License-Identifier: MIT
#include "decode/decode_server.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "decode/reader_child.hpp"
#include "decode/wire.hpp"

namespace alephc {
namespace {

constexpr int kPipeSize = 1024 * 1024;

/// Our end of the socket to the server; -1 without one. Of the whole process, like the server.
int server_socket = -1;
std::mutex server_mutex;

struct Request {
  ArchiveKind kind = ArchiveKind::archive;
};

/// A request with room for two descriptors. Points into itself: it stays where it is.
struct Envelope {
  iovec data{};
  msghdr message{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};

  explicit Envelope(Request& request) : data{.iov_base = &request, .iov_len = sizeof request} {
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  Envelope(const Envelope&) = delete;
  Envelope& operator=(const Envelope&) = delete;
};

/// A pipe has room for it. A reader that is gone needs no answer.
void refuse(int out) {
  std::string message;
  put_message(message, WireTag::not_started, std::strerror(errno));
  (void)!::write(out, message.data(), message.size());
}

[[noreturn]] void give_up(int out) {
  refuse(out);
  ::_exit(1);
}

[[noreturn]] void decoder_main(int in, ArchiveKind kind, int out) {
  ::signal(SIGPIPE, SIG_DFL);  // without a reader nothing is left to do
  // Two known numbers, and nothing else that is open here: neither the terminal nor what alephc prints.
  const int in_copy = ::fcntl(in, F_DUPFD, 10);
  const int out_copy = ::fcntl(out, F_DUPFD, 10);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (in_copy < 0 || out_copy < 0 || null < 0) give_up(out);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
  if (::dup2(in_copy, 3) != 3 || ::dup2(out_copy, 4) != 4) give_up(out_copy);
  ::syscall(SYS_close_range, 5U, ~0U, 0U);
  if (!confine_decoder()) give_up(4);
  read_archive(3, kind, 4);
  ::_exit(0);
}

/// False when the other end is gone.
bool receive(int socket, Request& request, std::array<int, 2>& fds) {
  Envelope envelope(request);
  msghdr& message = envelope.message;
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (got != sizeof request || header == nullptr || header->cmsg_len != CMSG_LEN(2 * sizeof(int)))
    return false;
  std::memcpy(fds.data(), CMSG_DATA(header), 2 * sizeof(int));
  return true;
}

[[noreturn]] void server_main(int socket) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_IGN);   // alephc itself decides when decoding ends
  ::signal(SIGCHLD, SIG_IGN);  // children are reaped by the kernel
  Request request;
  std::array<int, 2> fds{};
  while (receive(socket, request, fds)) {
    const pid_t child = ::fork();
    if (child == 0) decoder_main(fds[0], request.kind, fds[1]);
    if (child < 0) refuse(fds[1]);
    for (const int fd : fds) ::close(fd);
  }
  ::_exit(0);
}

void send(int in, ArchiveKind kind, int out) {
  Request request{.kind = kind};
  const std::array<int, 2> fds{in, out};
  Envelope envelope(request);
  msghdr& message = envelope.message;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(2 * sizeof(int));
  std::memcpy(CMSG_DATA(header), fds.data(), 2 * sizeof(int));
  const std::lock_guard guard(server_mutex);
  if (::sendmsg(server_socket, &message, MSG_NOSIGNAL) < 0) throw system_error("start a decoder", errno);
}

}  // namespace

void start_decode_server() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw system_error("make a socket", errno);
  const pid_t child = ::fork();
  if (child < 0) throw system_error("start the decode server", errno);
  if (child == 0) {
    ::close(ends[0]);
    server_main(ends[1]);
  }
  ::close(ends[1]);
  server_socket = ends[0];
}

UniqueFd start_decoder(int in, ArchiveKind kind) {
  Pipe pipe = make_pipe();
  ::fcntl(pipe.write.get(), F_SETPIPE_SZ, kPipeSize);
  if (server_socket >= 0) {
    send(in, kind, pipe.write.get());
    return std::move(pipe.read);
  }
  // Twice forked, so that this process need not wait for it.
  const pid_t child = ::fork();
  if (child < 0) throw system_error("start a decoder", errno);
  if (child == 0) {
    const pid_t decoder = ::fork();
    if (decoder == 0) decoder_main(in, kind, pipe.write.get());
    if (decoder < 0) refuse(pipe.write.get());
    ::_exit(0);
  }
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return std::move(pipe.read);
}

}  // namespace alephc
