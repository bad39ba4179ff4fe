// SPDX-License-Identifier: MIT
// Layers keep owners, and images are read by a process of another user: a user without rights becomes root of a user
// namespace first, as alephc does.
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

#include <iostream>
#include <string>

#include <unistd.h>

#include "sandbox/user_namespace.hpp"

int main(int argc, char** argv) {
  if (::geteuid() != 0)
    if (const std::string why = alephc::enter_user_namespace(); !why.empty())
      std::cerr << "not root of a user namespace, so some tests fail: " << why << "\n";
  return Catch::Session().run(argc, argv);
}
