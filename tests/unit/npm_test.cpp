// SPDX-License-Identifier: MIT
// What a package-lock.json installs, and what it is refused for.
#include <map>
#include <string>
#include <vector>

#include "language/npm/package_lock.hpp"
#include "language/npm/registry.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

namespace alephc {
namespace {

using Catch::Matchers::ContainsSubstring;

const std::string kIntegrity = "sha512-" + std::string(86, 'A') + "==";

std::vector<NpmPackage> read(const std::string& text, const NpmTarget& target = {.cpu = "x64", .libc = "glibc"}) {
  return read_package_lock("package-lock.json", text, target, nullptr);
}

/// A lock of one package, at node_modules/a where no path is given.
std::string lock_of(const std::string& keys, const std::string& path = "node_modules/a") {
  return R"({"lockfileVersion":3,"packages":{")" + path + R"(":{"version":"1.0.0","integrity":")" + kIntegrity + "\"" +
         (keys.empty() ? "" : ",") + keys + "}}}";
}

bool is_installed(const std::string& keys, const NpmTarget& target = {.cpu = "x64", .libc = "glibc"}) {
  return read(lock_of(keys), target).size() == 1;
}

}  // namespace

TEST_CASE("a lock of npm 6 or of another tool is refused with the way to one that can be read") {
  for (const std::string& text :
       {std::string(), std::string("no json"), std::string("[]"), std::string("{}"), std::string("null"),
        std::string(R"({"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0"}}})"),
        std::string(R"({"lockfileVersion":3,"packages":[]})"),
        std::string(R"({"lockfileVersion":3,"packages":null})")}) {
    INFO(text);
    const auto parse = [&] { (void)read(text); };
    CHECK(error_kind(parse) == ErrorKind::failed);
    CHECK(error_text(parse) == "package-lock.json is not a package-lock.json of version 2 or 3\n"
                               "make it with 'npm install --package-lock-only'\n");
  }
}

TEST_CASE("of version 2 the packages are read, not what is there for npm 6") {
  const auto packages = read(R"({"lockfileVersion":2,"packages":{"":{"name":"me","dependencies":{"b":"*"}},
      "node_modules/b":{"version":"2.0.0","resolved":"https://r.example/b.tgz","integrity":")" + kIntegrity + R"("}},
      "dependencies":{"b":{"version":"9.0.0"},"c":{"version":"1.0.0"}}})");
  REQUIRE(packages.size() == 1);
  CHECK(packages[0].path == "node_modules/b");
  CHECK(packages[0].name == "b");
  CHECK(packages[0].version == "2.0.0");
  CHECK(packages[0].resolved == "https://r.example/b.tgz");
  CHECK(packages[0].integrity == kIntegrity);
  CHECK(packages[0].bins.empty());
  CHECK(read(R"({"packages":{}})").empty());
}

TEST_CASE("packages are in the order of their paths, each with the name that its registry knows") {
  const std::string package = R"({"version":"1.0.0","integrity":")" + kIntegrity + "\"}";
  const std::string alias = R"({"name":"real","version":"1.0.0","integrity":")" + kIntegrity + "\"}";
  const auto packages = read(R"({"packages":{"node_modules/b":)" + package + R"(,"node_modules/a/node_modules/@s/c":)" +
                             package + R"(,"node_modules/alias":)" + alias + R"(,"node_modules/a":)" + package + "}}");
  std::vector<std::string> found;
  for (const NpmPackage& each : packages) found.push_back(each.path + " " + each.name);
  CHECK(found == std::vector<std::string>{"node_modules/a a", "node_modules/a/node_modules/@s/c @s/c",
                                          "node_modules/alias real", "node_modules/b b"});
}

TEST_CASE("what is for development or bundled in another package is not installed") {
  CHECK(is_installed(""));
  CHECK_FALSE(is_installed(R"("dev":true)"));
  CHECK(is_installed(R"("dev":true)", {.cpu = "x64", .libc = "glibc", .production = false}));
  CHECK(is_installed(R"("dev":false)"));
  CHECK(is_installed(R"("dev":"true")"));
  // Optional packages are installed without those for development, too.
  CHECK(is_installed(R"("devOptional":true)"));
  CHECK_FALSE(is_installed(R"("inBundle":true)"));
  // What is not installed may be anything.
  CHECK(read(lock_of(R"("dev":true,"link":true)", "packages/tool")).empty());
  CHECK(read(R"({"packages":{"node_modules/a/node_modules/b":{"inBundle":true,"version":"1.0.0"}}})").empty());
}

TEST_CASE("an optional package is installed where its lists of systems let it") {
  const std::map<std::string, bool> cases{{R"("os":["linux"])", true},
                                          {R"("os":["darwin","linux"])", true},
                                          {R"("os":["darwin"])", false},
                                          {R"("os":["!win32"])", true},
                                          {R"("os":["!linux"])", false},
                                          {R"("os":["!win32","darwin"])", false},
                                          {R"("os":["any"])", true},
                                          {R"("os":[])", true},
                                          {R"("cpu":["x64","arm64"])", true},
                                          {R"("cpu":["arm64"])", false},
                                          {R"("cpu":["!x64"])", false},
                                          {R"("cpu":["ia32","!arm64"])", false},
                                          {R"("libc":["glibc"])", true},
                                          {R"("libc":["musl"])", false},
                                          {R"("os":["linux"],"cpu":["x64"],"libc":["musl"])", false}};
  for (const auto& [keys, expected] : cases) {
    INFO(keys);
    CHECK(is_installed(keys + R"(,"optional":true)") == expected);
    CHECK(is_installed(keys + R"(,"devOptional":true)") == expected);
    CHECK(is_installed(keys + R"(,"peer":true)") == expected);
    if (!expected)
      CHECK_THAT(error_text([&, k = keys] { (void)is_installed(k); }),
                 ContainsSubstring("'node_modules/a' is not for linux on x64 with glibc"));
  }
  CHECK(is_installed(R"("cpu":["arm64"],"libc":["musl"])", {.cpu = "arm64", .libc = "musl"}));
}

TEST_CASE("folders of the project are no packages") {
  for (const std::string& lock : {lock_of("", "packages/a"), lock_of("", "../a"), lock_of("", "/node_modules/a"),
                                  lock_of(R"("link":true,"resolved":"packages/a")"),
                                  lock_of("", "node_modules/../../a"),
                                  lock_of("", "node_modules//a"), lock_of("", "node_modules/"),
                                  lock_of("", "node_modules/a\\u0000b"), lock_of("", "node_modules/./a")}) {
    INFO(lock);
    CHECK(error_kind([&] { (void)read(lock); }) == ErrorKind::failed);
    CHECK_THAT(error_text([&] { (void)read(lock); }),
               ContainsSubstring("is a folder of the project, not a package"));
  }
}

TEST_CASE("without an integrity that is known, or from elsewhere than a registry, a package is refused") {
  const auto lock = [](const std::string& keys) {
    return R"({"packages":{"node_modules/a":{"version":"1.0.0",)" + keys + "}}}";
  };
  const std::string good = R"("integrity":")" + kIntegrity + "\"";
  for (const std::string& keys :
       {std::string(R"("resolved":"https://r.example/a.tgz")"), std::string(R"("integrity":"")"),
        std::string(R"("integrity":7)"), std::string(R"("integrity":"sha1-AAAA md5-AAAA")"),
        R"("resolved":"git+ssh://git@host/a.git#0",)" + good, R"("resolved":"file:a.tgz",)" + good}) {
    INFO(keys);
    CHECK(error_kind([&] { (void)read(lock(keys)); }) == ErrorKind::failed);
    CHECK_THAT(error_text([&] { (void)read(lock(keys)); }),
               ContainsSubstring("'node_modules/a' has no integrity") && ContainsSubstring("npm 7 or later"));
  }
  CHECK(read(lock(R"("resolved":"",)" + good)).size() == 1);
  CHECK(read(lock(R"("integrity":"sha1-AAAA sha256-BBBB sha512-CCCC?x sha384-DDDD")"))[0].integrity == "sha512-CCCC");
}

TEST_CASE("programs are those that are named with a path") {
  const auto packages = read(lock_of(R"("bin":{"b":"cli.js","a":"./bin/a","none":7})"));
  CHECK(packages.at(0).bins == std::vector<std::string>{"a=./bin/a", "b=cli.js"});
  CHECK(read(lock_of(R"("bin":["x"])")).at(0).bins.empty());
}

TEST_CASE("what is no object among the packages is passed over, and the project itself") {
  CHECK(read(R"({"packages":{"":{"version":"1"},"node_modules/a":7,"node_modules/b":null}})").empty());
}

TEST_CASE("where a package was locked is an address of it, after a registry of this machine") {
  const NpmPackage package{.name = "@s/a", .version = "1.0.0", .resolved = "https://r.example/a.tgz"};
  const auto urls = locate_module(package);
  REQUIRE_FALSE(urls.empty());
  CHECK(urls.back() == package.resolved);
  CHECK(urls.size() <= 2);
}

TEST_CASE("the version of a package stands behind its last at sign") {
  const NpmPackage plain = parse_npm_package("left-pad@1.3.0");
  CHECK(plain.name == "left-pad");
  CHECK(plain.version == "1.3.0");
  CHECK(plain.integrity.empty());
}

TEST_CASE("a list of systems may be one text") {
  CHECK_FALSE(is_installed(R"("os":"darwin","optional":true)"));
  CHECK_FALSE(is_installed(R"("cpu":"!x64","optional":true)"));
  CHECK(is_installed(R"("os":"linux","cpu":"x64","libc":"glibc")"));
  CHECK_THAT(error_text([] { (void)is_installed(R"("os":"darwin")"); }),
             ContainsSubstring("is not for linux on x64"));
}

}  // namespace alephc
