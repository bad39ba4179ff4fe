// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace aleph_init {

struct ProcessSpec {
  std::vector<std::string> argv{};
  std::map<std::string, std::string> env{};  ///< all of it
  std::string workdir = "/";
  std::string user{};  ///< name in /etc/passwd; empty: root
  std::vector<std::pair<int, int>>
      descriptors{};  ///< (ours, number there); 0, 1 and 2 are inherited otherwise
};

/// The same, with the user's home instead of root's. Throws SetupError when the user is unknown.
[[nodiscard]] std::map<std::string, std::string> environment_of(const std::string& user,
                                                                std::map<std::string, std::string> env);

/// Starts a process that leads its own group. Throws
/// SetupError when the program is missing or the user unknown.
[[nodiscard]] pid_t start_process(const ProcessSpec& spec);

/// Waits at most timeout_ms (negative: for ever). Exit code, or 128 + signal; nothing when it still runs.
[[nodiscard]] std::optional<int> wait_process(pid_t pid, long timeout_ms);

/// Ends a process and its group: SIGTERM, then SIGKILL after grace_ms.
void end_process(pid_t pid, long grace_ms);

struct ProcessOutput {
  std::optional<int> status{};  ///< nothing: killed after the timeout
  std::string output{};
  bool too_much = false;
};
/// Runs to the end with input on stdin and stdout collected up to limit bytes.
[[nodiscard]] ProcessOutput run_process(ProcessSpec spec, std::string_view input, std::size_t limit,
                                        long timeout_ms);

/// First program of that name on PATH, or the path itself if it has a slash and is executable.
[[nodiscard]] std::optional<std::string> find_program(const std::string& name, const std::string& path_list);

/// Replaces ${NAME} by the variable of that name, nothing if there is none.
[[nodiscard]] std::string expand_variables(const std::string& text,
                                           const std::map<std::string, std::string>& env);

}  // namespace aleph_init
