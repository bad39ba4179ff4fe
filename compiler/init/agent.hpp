// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "init/configuration.hpp"
#include "init/handle.hpp"
#include "init/plugins.hpp"
#include "init/program.hpp"
#include "init/settings.hpp"
#include "init/supervisor.hpp"
#include "init/worker.hpp"

namespace aleph_init {

inline constexpr unsigned kControlPort = 52;
inline constexpr unsigned kGuestApiPort = 53;
inline constexpr const char* kRuntimeVersion = "2.0.0";

struct AgentOptions {
  Settings settings{};
  /// Paths that the agent writes lie below it; "" outside of tests.
  std::string root{};
  /// False in tests: no host name, mounts, network, services.
  bool system = true;
  std::function<Handle()> connect_to_guest_api{};
  /// Ends the machine; returns in tests only.
  std::function<void()> restart{};
};

/// The host's partner: takes the one configuration, then any number of requests at once, and the halt. Every
/// connection is served by a thread of a pool, so that a slow one holds up no other.
class Agent {
 public:
  explicit Agent(AgentOptions options);
  ~Agent();

  /// Starts what needs no configuration: the Python worker, the bridge, plugins of the stage boot.
  void prepare();
  /// Takes up the configuration of an agent that died; false if there is none.
  bool resume();
  /// Accepts until the listener is closed or the machine is halted.
  void serve(int listener);

 private:
  void work();
  void handle(Handle connection);
  void take_configuration(Handle& connection, std::string received);
  void answer_request(Handle connection, std::string received);
  void halt(const Handle& connection);

  void open_bridge();
  void start_services();
  void set_up();
  void set_up_system(Configuration& configuration);
  void set_up_code(const Configuration& configuration);
  void stage(const std::string& name, const std::function<void()>& action);

  AgentOptions options_;
  std::map<std::string, std::string> env_;
  Configuration configuration_;
  std::string boot_problem_;  ///< told to the host when it sends the configuration
  Plugins plugins_;
  Supervisor supervisor_;
  Worker worker_;
  Program program_;

  enum class State { waiting, configuring, serving, refused };
  std::mutex state_mutex_;
  State state_ = State::waiting;
  std::atomic<bool> halting_{false};

  std::mutex queue_mutex_;
  std::condition_variable queue_changed_;
  std::deque<Handle> queue_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool closing_ = false;
};

/// {"version": "2.0.0"} in one write.
[[nodiscard]] std::string ready_message();

}  // namespace aleph_init
