// SPDX-License-Identifier: MIT
#include "base/environment.hpp"

#include <cstdlib>

namespace alephc {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::filesystem::path home_folder() {
  const std::string home = environment("HOME");
  return home.empty() ? "/root" : home;
}

}  // namespace alephc
