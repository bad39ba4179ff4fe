// SPDX-License-Identifier: MIT
#include "room/job.hpp"
#include "support/catch.hpp"

using namespace alephc;

TEST_CASE("a job of the sandbox is decoded as it was encoded") {
  const room::Job job{.inherits_streams = true,
                      .commands = {{.argv = {"/bin/sh", "-c", std::string("a\0b", 3)},
                                    .environment = {"PATH=/bin", "EMPTY="},
                                    .input = std::string(70000, 'i'),
                                    .user = "app"},
                                   {.argv = {"true"}, .user = "root"}}};
  CHECK(room::decode(room::encode(job)) == job);
}

TEST_CASE("a job that is cut off, or goes on behind its end, is refused") {
  const std::string bytes = room::encode({.commands = {{.argv = {"true"}, .environment = {"A=b"}, .user = "root"}}});
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(room::decode(bytes.substr(0, size)));
  CHECK_FALSE(room::decode(bytes + "x"));
}

TEST_CASE("a job whose lengths lie costs no memory and is refused") {
  std::string bytes = room::encode({.commands = {{.argv = {"true"}, .user = "root"}}});
  bytes.replace(4, 4, "\xff\xff\xff\x7f");
  CHECK_FALSE(room::decode(bytes));
}

TEST_CASE("a command without a program is refused") {
  CHECK_FALSE(room::decode(room::encode({.commands = {{.user = "root"}}})));
}
