// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "init/configuration.hpp"
#include "init/handle.hpp"

namespace aleph_init {

/// The Python process that runs an ASGI program. Talks over a seqpacket socket: a packet is a type byte and a
/// payload, or, for large payloads, a memory file among its descriptors. Types to it: C configuration (JSON,
/// then the code as a second packet), R request (msgpack of the scope, with the connection to answer on), S
/// shut down. From it: O ready, E failed (JSON of error and traceback).
class Worker {
 public:
  /// user and workdir as in ProcessSpec: the program runs in the interpreter.
  Worker(std::string root, std::string user, std::string workdir, int optimize)
      : root_(std::move(root)), user_(std::move(user)), workdir_(std::move(workdir)), optimize_(optimize) {}
  ~Worker();

  /// Starts the interpreter; it imports what every program needs while the configuration is on its way. False
  /// when the image has no Python or no worker.
  bool start(const std::map<std::string, std::string>& env);

  /// Imports the program and runs its start-up. Throws SetupError with the Python traceback.
  void configure(const Configuration& configuration, const std::map<std::string, std::string>& env);

  /// Gives a request and its connection away; the worker answers
  /// and closes it. A dead worker is started again first.
  void hand_over(Handle connection, std::string_view request);

  /// Runs the program's shutdown, at most grace_ms, then ends the process.
  void stop(long grace_ms);

 private:
  void send_packet(char type, std::string_view payload, int connection);
  void configure_now();
  void end();

  std::string root_;
  std::string user_;
  std::string workdir_;
  int optimize_;  ///< level of the interpreter
  std::mutex mutex_;
  pid_t process_ = -1;
  Handle socket_;
  std::map<std::string, std::string> env_;
  Configuration configuration_;
};

}  // namespace aleph_init
