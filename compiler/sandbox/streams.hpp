// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>
#include <termios.h>

#include "base/fd.hpp"
#include "base/limits.hpp"

namespace alephc {

/// A step's log: what it printed, but not more than a limit. The beginning and the end are kept.
class LogFile {
 public:
  /// Appends to the file. Nothing is written for an empty path.
  explicit LogFile(const std::filesystem::path& file);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  void append(std::string_view bytes);
  /// Writes what was held back. Called by the destructor too.
  void finish();

  static constexpr std::uint64_t kHead = limits::kLogBytes;
  static constexpr std::size_t kTail = 1U << 20U;

 private:
  UniqueFd file_;
  std::uint64_t written_ = 0;
  std::uint64_t dropped_ = 0;
  std::string tail_;
};

/// Carries bytes between the commands of a sandbox and the outside. The commands only ever hold ends of pipes, or a
/// terminal of the sandbox's own: never a descriptor that the user's terminal is behind.
class Streams {
 public:
  virtual ~Streams() = default;

  /// What PID 1 gets as stdin, stdout and stderr.
  struct RoomEnds {
    UniqueFd in{};
    UniqueFd out{};
    UniqueFd err{};
  };
  [[nodiscard]] RoomEnds take_room_ends() { return std::move(room_); }

  /// In a fork: lets go of the outside ends, whose end would not be seen while it holds them.
  virtual void close_outside() = 0;

  /// The descriptors to wait for; the order is that of serve().
  virtual void add_polls(std::vector<pollfd>& polls) = 0;
  virtual void serve(const pollfd* polls) = 0;
  /// Everything has ended: what is still in the pipes is carried out.
  virtual void finish() = 0;

 protected:
  RoomEnds room_;
};

/// stdin is empty, stdout and stderr go to a log.
[[nodiscard]] std::unique_ptr<Streams> log_streams(const std::filesystem::path& log);

/// The user's stdin, stdout and stderr, each behind a pipe.
[[nodiscard]] std::unique_ptr<Streams> piped_streams();

/// The user's terminal, in raw mode for as long as the object lives, joined to a terminal of the sandbox, whose
/// master end arrives over `socket` (send_descriptor).
[[nodiscard]] std::unique_ptr<Streams> terminal_streams(UniqueFd socket);
[[nodiscard]] bool has_terminal();

void send_descriptor(int socket, int fd);
/// Empty if there is none.
[[nodiscard]] UniqueFd receive_descriptor(int socket);

}  // namespace alephc
