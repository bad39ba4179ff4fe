// SPDX-License-Identifier: MIT
#include "init/supervisor.hpp"

#include <algorithm>
#include <csignal>

#include <sys/stat.h>
#include <unistd.h>

#include "init/errors.hpp"
#include "init/handle.hpp"
#include "init/process.hpp"
#include "init/threads.hpp"

namespace aleph_init {
namespace {

constexpr long kOneshotTimeout = 30000;
constexpr long kLongestPause = 30000;
constexpr long kHealthyAfter = 10000;  // a service that ran this long starts over with short pauses
constexpr const char* kHostKey = "/etc/ssh/ssh_host_ed25519_key";

ProcessSpec process_of(const ServiceSettings& service, const std::map<std::string, std::string>& env) {
  ProcessSpec spec{.argv = service.exec, .env = env};
  for (const auto& [name, value] : service.env) spec.env[name] = expand_variables(value, env);
  for (std::string& word : spec.argv) word = expand_variables(word, spec.env);
  return spec;
}

}  // namespace

void Supervisor::start(const ServiceSettings& service) {
  if (service.oneshot) {
    const pid_t process = start_process(process_of(service, env_));
    const auto status = wait_process(process, kOneshotTimeout);
    if (!status) {
      end_process(process, 0);
      (void)wait_process(process, -1);
      throw SetupError("service " + service.name + ": took longer than 30 s");
    }
    if (*status != 0)
      throw SetupError("service " + service.name + ": exited with status " + std::to_string(*status));
    return;
  }
  auto child = std::make_shared<Child>();
  child->process = start_process(process_of(service, env_));
  children_.push_back(child);
  watch(service, child);
}

void Supervisor::watch(const ServiceSettings& service, const std::shared_ptr<Child>& child) {
  start_thread([service, child, env = env_, stopping = stopping_] {
    long pause = 0;
    for (;;) {
      const long started = now_ms();
      const int status = child->process > 0 ? wait_process(child->process, -1).value_or(0) : 127;
      child->process = -1;
      if (*stopping) return;
      log_line("service " + service.name + " ended with status " + std::to_string(status));
      if (!service.restart || status == 0) return;
      pause = now_ms() - started > kHealthyAfter ? 0 : std::min(std::max(100L, pause * 2), kLongestPause);
      ::usleep(static_cast<useconds_t>(pause) * 1000);
      if (*stopping) return;
      try {
        child->process = start_process(process_of(service, env));
      } catch (const SetupError& error) {
        log_line("service " + service.name + ": " + error.what());
      }
    }
  });
}

void Supervisor::start_sshd() {
  const auto program = find_program("sshd", "/usr/sbin:/sbin");
  if (!program) {
    log_line("there is no sshd in this image");
    return;
  }
  auto child = std::make_shared<Child>();
  children_.push_back(child);
  const ServiceSettings service{.name = "sshd", .exec = {*program, "-D", "-e"}, .restart = true};
  start_thread([this, service, child, env = env_] {
    make_folders("/run/sshd");
    // Made at first boot, so that no two machines share one.
    if (::access(kHostKey, R_OK) != 0)
      (void)run_process(
          {.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", kHostKey}, .env = env}, "",
          65536, kOneshotTimeout);
    child->process = start_process(process_of(service, env));
    watch(service, child);
  });
}

void Supervisor::stop(long grace_ms) {
  *stopping_ = true;
  for (const auto& child : children_)
    if (child->process > 0) ::kill(-child->process, SIGTERM);
  const long deadline = now_ms() + grace_ms;
  const auto any_left = [this] {
    return std::any_of(children_.begin(), children_.end(),
                       [](const auto& child) { return child->process > 0; });
  };
  while (any_left() && now_ms() < deadline) ::usleep(10000);
  for (const auto& child : children_)
    if (child->process > 0) ::kill(-child->process, SIGKILL);
}

}  // namespace aleph_init
