// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
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
  std::uint64_t seconds = 0;                         ///< it may take; 0: any time
  std::uint64_t file_bytes = 0;                      ///< a file that it writes may have; 0: any size
};

struct CommandResult {
  int exit_code = 0;  ///< 128 + signal when killed
  std::string output{};
  std::string errors{};
};

/// Runs and waits. A program that cannot be started is an Error of kind host, one that takes too long or prints more
/// than limits::kCommandOutput an Error of kind failed; Ctrl-C ends it.
[[nodiscard]] CommandResult run_command(const Command& command);

/// Absolute path of a program in PATH or the usual system folders.
[[nodiscard]] std::optional<std::string> find_program(const std::string& name);

}  // namespace alephc
