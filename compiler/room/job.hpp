// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alephc::room {

// Descriptors that PID 1 of the sandbox is started with. It gives none of them to a command.
inline constexpr int kStatusFd = 3;    ///< pipe: how the job ended, see main.cpp
inline constexpr int kJobFd = 4;       ///< file: the encoded job
inline constexpr int kRootFd = 5;      ///< O_PATH folder: the root of the commands
inline constexpr int kTerminalFd = 6;  ///< the terminal of an interactive job; closed in any other
inline constexpr int kOuterFd = 7;     ///< pipe that ends with the process that started PID 1

struct Command {
  std::vector<std::string> argv{};         ///< argv[0] is looked up in the command's PATH
  std::vector<std::string> environment{};  ///< "NAME=VALUE", the whole of it
  std::string input{};                     ///< given on stdin; empty: /dev/null
  std::string user{};                      ///< name in the image's /etc/passwd
  bool operator==(const Command&) const = default;
};

struct Job {
  bool inherits_streams = false;  ///< commands get PID 1's own stdin, which then is not a terminal of the host
  std::vector<Command> commands{};
  bool operator==(const Job&) const = default;
};

/// Every text and every list is preceded by its length, 4 bytes little-endian.
[[nodiscard]] std::string encode(const Job& job);
/// Nothing if the bytes are not exactly one job.
[[nodiscard]] std::optional<Job> decode(std::string_view bytes);

}  // namespace alephc::room
