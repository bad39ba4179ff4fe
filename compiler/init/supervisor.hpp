// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "init/settings.hpp"

namespace aleph_init {

/// Starts services, and starts those that fail again: at once, then after pauses that grow to 30 s.
class Supervisor {
 public:
  explicit Supervisor(std::map<std::string, std::string> env) : env_(std::move(env)) {}

  /// A oneshot is waited for; one that fails throws SetupError.
  void start(const ServiceSettings& service);
  /// Makes a host key if there is none (on a thread of its
  /// own, off the critical path) and keeps sshd running.
  void start_sshd();
  void stop(long grace_ms);

 private:
  struct Child {
    std::atomic<pid_t> process{-1};
  };
  void watch(const ServiceSettings& service, const std::shared_ptr<Child>& child);

  std::map<std::string, std::string> env_;
  std::shared_ptr<std::atomic<bool>> stopping_ = std::make_shared<std::atomic<bool>>(false);
  std::vector<std::shared_ptr<Child>> children_;
};

}  // namespace aleph_init
