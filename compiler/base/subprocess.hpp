// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace alephc {

/// A child process of the host (never of an image: those run in the sandbox).
struct Command {
  std::vector<std::string> argv{};
  std::map<std::string, std::string> environment{};  ///< the whole of it, nothing is inherited
  std::string input{};                               ///< given on stdin
};

struct CommandResult {
  int exit_code = 0;  ///< 128 + signal when killed
  std::string output{};
  std::string errors{};
};

/// Runs and waits. A program that cannot be started is an Error of kind host.
[[nodiscard]] CommandResult run_command(const Command& command);

/// Absolute path of a program in PATH or the usual system folders.
[[nodiscard]] std::optional<std::string> find_program(const std::string& name);

}  // namespace alephc
