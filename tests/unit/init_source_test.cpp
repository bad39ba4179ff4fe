// SPDX-License-Identifier: MIT
// Which init a lock names, and which one is known.
#include "guest/init_source.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "support/catch.hpp"

using namespace alephc;

TEST_CASE("a table of released inits has two digests a line") {
  const std::string a = sha256("a").hex();
  const std::string b = sha256("b").hex();
  const auto releases =
      parse_init_releases("# of 0.1\n\n" + a + " " + b + "  # said so\n" + b + " " + a + "\n");
  REQUIRE(releases.size() == 2);
  CHECK(releases[0].source == sha256("a"));
  CHECK(releases[0].program == sha256("b"));
  CHECK(releases[1].program == sha256("a"));
  for (const std::string& bad : {a, a + " " + b + " " + a, a + " " + b.substr(1), std::string("x y")})
    CHECK_THROWS_AS(parse_init_releases(bad + "\n"), Error);
}

TEST_CASE("the digest of a source depends on names, sizes and bytes, not on their order") {
  const std::vector<GuestFile> files{{.name = "a", .bytes = "1"}, {.name = "b", .bytes = "23"}};
  const std::vector<GuestFile> turned{files[1], files[0]};
  CHECK(source_digest(files) == source_digest(turned));
  const std::vector<GuestFile> moved{{.name = "a", .bytes = "12"}, {.name = "b", .bytes = "3"}};
  CHECK(source_digest(files) != source_digest(moved));
  const std::vector<GuestFile> renamed{files[0], {.name = "c", .bytes = "23"}};
  CHECK(source_digest(files) != source_digest(renamed));
}

TEST_CASE("a lock names the released init where there is one, and has its bytes where the compilers agree") {
  const GuestFile compiled{.name = "aleph-init", .sha256 = sha256("program"), .bytes = "program"};
  const std::vector<InitRelease> releases{{sha256("old source"), sha256("old")},
                                          {sha256("source"), sha256("program")}};
  CHECK(released_of(sha256("edited"), releases) == std::nullopt);
  CHECK(released_of(sha256("old source"), releases) == sha256("old"));
  CHECK(init_to_lock(compiled, std::nullopt).bytes == "program");
  CHECK(init_to_lock(compiled, sha256("program")).bytes == "program");
  const GuestFile other = init_to_lock(compiled, sha256("old"));
  CHECK(other.sha256 == sha256("old"));
  CHECK(other.bytes.empty());
}

TEST_CASE("an init is known when it was released or compiled along with this alephc") {
  CHECK(is_known_init(compiled_init().sha256));
  for (const InitRelease& release : init_releases()) CHECK(is_known_init(release.program));
  CHECK_FALSE(is_known_init(sha256("a backdoor")));
}

TEST_CASE("the project of the init goes with alephc: what it names, its lock, and no test of it") {
  const auto files = init_project();
  const auto has = [&](std::string_view name) {
    return std::any_of(files.begin(), files.end(), [&](const GuestFile& file) { return file.name == name; });
  };
  for (const char* name :
       {"runtime.toml", "runtime.lock", "compile.sh", "compile.flags", "main.cpp", "zip.hpp"}) {
    CAPTURE(name);
    CHECK(has(name));
  }
  CHECK_FALSE(has("asgi_worker.py"));
}

TEST_CASE("the init's source is that of a release: after a change of it run tests/init/release.py") {
  CHECK(released_init());
}
