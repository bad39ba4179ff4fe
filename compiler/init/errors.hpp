// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace aleph_init {

/// What went wrong and where, for the host's {success: false, error}.
struct SetupError : std::runtime_error {
  explicit SetupError(const std::string& what, std::string where = {})
      : std::runtime_error(what), traceback(std::move(where)) {}
  std::string traceback;  ///< of a Python program, else empty
};

/// "cannot mount /x: No such device" from errno.
[[nodiscard]] SetupError os_error(const std::string& doing, int code);

/// A line on the console: "aleph-init: TEXT". Short, because every byte of a serial line costs an exit.
void log_line(const std::string& text);

}  // namespace aleph_init
