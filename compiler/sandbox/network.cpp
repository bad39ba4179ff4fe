// SPDX-License-Identifier: MIT
//
// A namespace is entered by a thread that ends afterwards, because unshare(2) and setns(2) of a network namespace concern
// the calling thread only. slirp4netns is a TCP/IP stack in a process: it reads packets from a device inside and makes
// ordinary connections outside. It therefore reaches what the host reaches, and what it must not reach is cut off inside,
// by routes that a command, which has no CAP_NET_ADMIN, cannot change.
#include "sandbox/network.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/subprocess.hpp"

namespace alephc {
namespace {

constexpr int kReadySeconds = 20;
constexpr int kPollMilliseconds = 100;
constexpr const char* kDevice = "tap0";

struct Blocked {
  const char* address;
  unsigned char bits;
};
// Link-local addresses (RFC 3927; clouds answer on 169.254.169.254), then the metadata services of Alibaba, Oracle
// and Azure, which are elsewhere.
constexpr std::array kBlocked{Blocked{"169.254.0.0", 16}, Blocked{"100.100.100.200", 32},
                              Blocked{"192.0.0.192", 32}, Blocked{"168.63.129.16", 32}};

template <typename Body>
void in_thread(Body body) {
  std::exception_ptr problem;
  std::thread([&] {
    try {
      body();
    } catch (...) {
      problem = std::current_exception();
    }
  }).join();
  if (problem) std::rethrow_exception(problem);
}

template <typename Body>
void inside(int network, Body body) {
  in_thread([&] {
    if (::setns(network, CLONE_NEWNET) != 0) throw system_error("enter a network namespace", errno);
    body();
  });
}

void raise_loopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
    throw system_error("raise the loopback device", errno);
}

/// Commands may be root of a user namespace that does not own this one.
void open_low_ports() {
  const UniqueFd setting(::open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC));
  if (setting) write_all(setting.get(), "0");
}

struct RouteRequest {
  nlmsghdr header{};
  rtmsg route{};
  rtattr attribute{};
  in_addr destination{};
};

void block(const Blocked& blocked) {
  RouteRequest request;
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_NEWROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK;
  request.route.rtm_family = AF_INET;
  request.route.rtm_dst_len = blocked.bits;
  request.route.rtm_table = RT_TABLE_MAIN;
  request.route.rtm_protocol = RTPROT_STATIC;
  request.route.rtm_scope = RT_SCOPE_UNIVERSE;
  request.route.rtm_type = RTN_UNREACHABLE;
  request.attribute = {.rta_len = RTA_LENGTH(sizeof request.destination), .rta_type = RTA_DST};
  check(::inet_pton(AF_INET, blocked.address, &request.destination) == 1, "blocked addresses are addresses");
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket || ::send(socket.get(), &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request))
    throw system_error("set a route", errno);
  std::array<char, 4096> answer{};
  const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
  if (got < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr)))
    throw system_error("set a route", got < 0 ? errno : EPROTO);
  nlmsgerr error{};
  std::memcpy(&error, answer.data() + sizeof(nlmsghdr), sizeof error);
  if (error.error != 0) throw system_error("set a route", -error.error);
}

/// Until slirp4netns has written a byte.
void await_router(int ready) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kReadySeconds);
  while (std::chrono::steady_clock::now() < deadline) {
    throw_if_interrupted();
    pollfd wait{ready, POLLIN, 0};
    if (::poll(&wait, 1, kPollMilliseconds) <= 0) continue;
    std::array<char, 1> byte{};
    if (read_some(ready, byte) == 1) return;
    break;
  }
  throw Error(ErrorKind::host, "slirp4netns did not start", "run it by hand, or see 'alephc doctor'");
}

std::string slirp4netns() {
  if (auto program = find_program("slirp4netns")) return *program;
  throw Error(ErrorKind::host, "a script with network = true needs slirp4netns, which is not installed",
              "install the package slirp4netns: it gives the script a network without the host's loopback addresses");
}

}  // namespace

PrivateNetwork::PrivateNetwork() {
  in_thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) throw system_error("make a network namespace", errno);
    raise_loopback();
    open_low_ports();
    namespace_ = open_file("/proc/thread-self/ns/net", O_RDONLY);
  });
}

PrivateNetwork::~PrivateNetwork() {
  if (router_ < 0) return;
  stop_.reset();
  ::kill(router_, SIGTERM);
  while (::waitpid(router_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

PrivateNetwork::Listener PrivateNetwork::listen() const {
  Listener listener;
  inside(namespace_.get(), [&] {
    listener.socket = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (!listener.socket || ::bind(listener.socket.get(), generic, size) != 0 ||
        ::listen(listener.socket.get(), SOMAXCONN) != 0 ||
        ::getsockname(listener.socket.get(), generic, &size) != 0)
      throw system_error("listen in a network namespace", errno);
    listener.port = ntohs(address.sin_port);
  });
  return listener;
}

void PrivateNetwork::connect_outside() {
  const std::string program = slirp4netns();
  inside(namespace_.get(), [] {
    for (const Blocked& each : kBlocked) block(each);
  });
  Pipe ready = make_pipe();
  Pipe stop = make_pipe();
  // The numbers that the program finds them under; dup2 by posix_spawn also clears their close-on-exec.
  constexpr int kNamespace = 10;
  constexpr int kReady = 11;
  constexpr int kStop = 12;
  const UniqueFd network(::fcntl(namespace_.get(), F_DUPFD_CLOEXEC, 20));
  UniqueFd ready_end(::fcntl(ready.write.get(), F_DUPFD_CLOEXEC, 20));
  const UniqueFd stop_end(::fcntl(stop.read.get(), F_DUPFD_CLOEXEC, 20));
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, network.get(), kNamespace);
  ::posix_spawn_file_actions_adddup2(&actions, ready_end.get(), kReady);
  ::posix_spawn_file_actions_adddup2(&actions, stop_end.get(), kStop);
  std::vector<std::string> words{program,
                                 "--configure",
                                 "--mtu=65520",
                                 "--disable-host-loopback",
                                 "--enable-sandbox",
                                 "--enable-seccomp",
                                 "--ready-fd=" + std::to_string(kReady),
                                 "--exit-fd=" + std::to_string(kStop),
                                 "--netns-type=path",
                                 "/proc/self/fd/" + std::to_string(kNamespace),
                                 kDevice};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::array<char*, 1> environment{nullptr};
  const int problem =
      ::posix_spawn(&router_, program.c_str(), &actions, nullptr, argv.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (problem != 0) {
    router_ = -1;
    throw system_error("start " + program, problem);
  }
  stop_ = std::move(stop.write);
  ready.write.reset();
  ready_end.reset();
  await_router(ready.read.get());
}

}  // namespace alephc
