// SPDX-License-Identifier: MIT
#include "init/errors.hpp"

#include <cstring>

#include <unistd.h>

namespace aleph_init {

SetupError os_error(const std::string& doing, int code) {
  return SetupError("cannot " + doing + ": " + std::strerror(code));
}

void log_line(const std::string& text) {
  const std::string line = "aleph-init: " + text + "\n";
  (void)!::write(2, line.data(), line.size());
}

}  // namespace aleph_init
