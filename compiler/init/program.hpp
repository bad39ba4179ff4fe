// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>

#include <sys/types.h>

#include "init/configuration.hpp"
#include "init/settings.hpp"

namespace aleph_init {

/// An executable that serves HTTP on port 8080.
class Program {
 public:
  ~Program() { stop(0); }

  /// Finds /opt/code/ENTRYPOINT, makes it executable where that is needed and possible, starts it.
  void start(const Configuration& configuration, const Settings& settings,
             const std::map<std::string, std::string>& env, const std::string& root);

  [[nodiscard]] bool is_running() const { return running_; }
  /// Of a program that ended: "status 3", "killed by signal 9".
  [[nodiscard]] std::string how_it_ended() const;
  void stop(long grace_ms);

 private:
  pid_t process_ = -1;
  std::atomic<bool> running_{false};
  std::atomic<int> status_{0};
  std::thread watcher_;
};

}  // namespace aleph_init
