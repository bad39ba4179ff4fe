// SPDX-License-Identifier: MIT
//
// The init of an image: PID 1, and the agent that it starts. PID 1 does three things: it makes the root writable, keeps an
// agent process running, and reaps. Everything that talks to the host or starts programs is the agent's, so that nothing
// which can crash is PID 1. Started by another init ("aleph-init agent") it is the agent only.
//
// The order at boot: mounts and an overlay over a read-only root (system.cpp); the vsock listener; only then the message
// "ready" to the host, because the host sends the configuration as soon as it has read it; the configuration (network, disk,
// code, environment: configuration.cpp); plugins and services; the worker with the user's program; then a loop over the
// host's requests until it says "halt".
//
// Invariants:
// - The host gets every failure before the program runs as its answer to the configuration: it never waits in vain.
// - An agent that dies is started again and goes on with the configuration that it kept (Agent::resume); what it had
//   started is killed before. PID 1 never returns: the kernel would panic.
// - Nothing is allocated or waited for in PID 1 that the agent could hold up.
//
// Not handled: several programs in one machine, a host that speaks another version. The protocol is that of aleph-vm's
// runtimes (docs/init.md).
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/agent.hpp"
#include "init/errors.hpp"
#include "init/network.hpp"
#include "init/system.hpp"

namespace aleph_init {
namespace {

sockaddr_vm address_of(unsigned cid, unsigned port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

Handle listen_on(unsigned port) {
  Handle listener(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_vm address = address_of(VMADDR_CID_ANY, port);
  if (!listener || ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), SOMAXCONN) != 0)
    throw os_error("listen on vsock port " + std::to_string(port), errno);
  return listener;
}

/// Empty when the host is not there.
Handle connect_to_host(unsigned port) {
  Handle socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_vm address = address_of(VMADDR_CID_HOST, port);
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  return socket;
}

/// Only after the listener stands: the host sends the configuration as soon as it has read this.
void announce() {
  constexpr int kAttempts = 50;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (Handle host = connect_to_host(kControlPort)) {
      write_all(host.get(), ready_message());
      return;
    }
    ::usleep(100000);
  }
  throw SetupError("the host does not listen on vsock port 52");
}

/// Restarts by the init that runs this machine, or by the kernel where that does nothing.
void restart_by_init() {
  ::sync();
  if (::fork() == 0) {
    ::execl("/sbin/reboot", "reboot", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::sleep(10);
  restart_machine();
}

[[noreturn]] void agent_main(bool own_machine, long started) {
  try {
    AgentOptions options{.connect_to_guest_api = [] { return connect_to_host(kGuestApiPort); },
                         .restart = own_machine ? restart_machine : restart_by_init};
    try {
      options.settings = parse_settings(read_file(kSettingsFile));
    } catch (const SetupError& error) {
      log_line(error.what());
    }
    raise_loopback();  // programs answer on it, and not every init of a distribution raises it
    Handle listener = listen_on(kControlPort);
    Agent agent(std::move(options));
    if (agent.resume()) {
      log_line("the agent is back");
    } else {
      announce();
      log_line("ready " + std::to_string(now_ms() - started) + " ms");
      agent.prepare();
    }
    agent.serve(listener.get());
    for (;;) ::pause();  // halted: the machine goes down under us
  } catch (const std::exception& error) {
    log_line(error.what());
  }
  ::_exit(1);
}

void set_first_environment() {
  ::clearenv();
  ::setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  ::setenv("HOME", "/root", 1);
}

/// The distribution's init gets a root that it can write to, which a node's read-only image is not.
void become_distro_init() {
  const std::string program = parse_settings(read_file(kSettingsFile)).distro_init;
  if (program.empty()) return;
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  ::execl(program.c_str(), "init", static_cast<char*>(nullptr));
  throw os_error("run " + program, errno);
}

/// Never returns: without PID 1 the kernel panics.
[[noreturn]] void supervise(long started) {
  constexpr unsigned kLongestPause = 5;
  unsigned failures = 0;
  for (;;) {
    const pid_t agent = ::fork();
    if (agent == 0) {
      ::setsid();
      agent_main(true, started);
    }
    for (;;) {
      const pid_t ended = ::wait(nullptr);
      if (ended == agent || (ended < 0 && errno == ECHILD)) break;
    }
    // What it had started is started again with the kept configuration.
    ::kill(-1, SIGKILL);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    log_line("the agent ended: starting it again");
    ::sleep(std::min(failures++, kLongestPause));
  }
}

int pid_one() {
  const long started = now_ms();
  for (int signal = 1; signal < NSIG; ++signal)
    if (signal != SIGCHLD && signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_IGN);
  set_first_environment();
  ::umask(022);
  try {
    make_root_writable();
    become_distro_init();
  } catch (const std::exception& error) {
    // The agent may still tell the host.
    log_line(error.what());
  }
  supervise(started);
}

}  // namespace
}  // namespace aleph_init

int main(int argc, char** argv) {
  using namespace aleph_init;  // NOLINT: the program's own names
  if (::getpid() == 1) return pid_one();
  if (argc == 2 && std::strcmp(argv[1], "agent") == 0) agent_main(false, now_ms());
  log_line(
      "this is the init of aleph.im micro-VMs; it runs as PID 1, or as 'aleph-init agent' below another "
      "init");
  return 2;
}
