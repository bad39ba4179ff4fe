// SPDX-License-Identifier: MIT
#include "base/diagnostic.hpp"
#include "language/npm/package_lock.hpp"
#include "language/npm/registry.hpp"
#include "language/python/index_proxy.hpp"
#include "language/python/lock_file.hpp"
#include "language/python/package_index.hpp"
#include "support/catch.hpp"

namespace alephc {
namespace {

const std::string kHash(64, 'a');
const std::string kIntegrity = "sha512-" + std::string(86, 'A') + "==";

std::vector<NpmPackage> read_npm(const std::string& packages, const std::string& cpu = "x64") {
  Reporter reporter(Verbosity::quiet, ColorMode::never, false);
  return read_package_lock("package-lock.json",
                           R"({"lockfileVersion":3,"packages":{"":{},)" + packages + "}}",
                           {.cpu = cpu, .libc = "glibc"}, &reporter);
}

}  // namespace

TEST_CASE("a pylock.toml becomes requirements with their markers, and its hashes decide") {
  const PythonLockFile lock = read_python_lock("pylock.toml", R"(lock-version = "1.0"
created-by = "x"
[[packages]]
name = "Foo_Bar"
version = "1.0"
marker = "python_version >= '3.9'"
wheels = [{ name = "foo_bar-1.0-py3-none-any.whl", hashes = { sha256 = ")" +
                                                                  kHash + R"(" } }]
[[packages]]
name = "extra"
version = "2"
marker = "'dev' in dependency_groups"
)");
  CHECK(lock.is_complete);
  CHECK(lock.requirements == std::vector<std::string>{"Foo_Bar==1.0 ; python_version >= '3.9'"});
  CHECK(lock.hashes.at("foo-bar 1.0").contains(*Digest::from_hex(kHash)));
  CHECK_THROWS_AS(
      read_python_lock("x", "lock-version = \"1\"\n[[packages]]\nname = \"a\"\nvcs = { url = \"u\" }\n"),
      Error);
  CHECK_THROWS_AS(read_python_lock("x", "a = 1\n"), Error);
}

TEST_CASE("a uv.lock gives the project's dependencies, and the others as constraints") {
  const PythonLockFile lock = read_python_lock("uv.lock", R"(version = 1
requires-python = ">=3.9"
[[package]]
name = "app"
version = "0"
source = { virtual = "." }
dependencies = [{ name = "fastapi", extra = ["all"], marker = "sys_platform == 'linux'" }]
[[package]]
name = "fastapi"
version = "0.120"
source = { registry = "https://example.org/simple" }
sdist = { url = "u", hash = "sha256:)" + kHash + R"(" }
[[package]]
name = "numpy"
version = "1"
source = { registry = "https://example.org/simple" }
resolution-markers = ["python_full_version < '3.10'", "sys_platform == 'win32'"]
)");
  CHECK_FALSE(lock.is_complete);
  CHECK(lock.requirements == std::vector<std::string>{"fastapi[all] ; sys_platform == 'linux'"});
  CHECK(lock.constraints ==
        std::vector<std::string>{"fastapi==0.120",
                                 "numpy==1 ; (python_full_version < '3.10') or (sys_platform == 'win32')"});
  CHECK(lock.hashes.at("fastapi 0.120").size() == 1);
}

TEST_CASE("names of a uv.lock are resolved by that file alone") {
  const std::string head = "version = 1\nrequires-python = \">=3.9\"\n";
  const std::string app =
      "[[package]]\nname = \"app\"\nversion = \"0\"\nsource = { editable = \".\" }\n"
      "dependencies = [{ name = \"lib\" }]\n";
  const auto problem = [&](const std::string& rest) {
    try {
      (void)read_python_lock("uv.lock", head + app + rest);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto package = [](const std::string& source) {
    return "[[package]]\nname = \"lib\"\nversion = \"1\"\nsource = { " + source + " }\n";
  };
  CHECK(problem(package("registry = \"https://example.org/simple\"")).empty());
  CHECK(problem(package("editable = \"packages/lib\"")).find("packages/lib") != std::string::npos);
  CHECK(problem(package("virtual = \"packages/lib\"")).find("packages/lib") != std::string::npos);
  CHECK(problem(package("directory = \"lib\"")).find("from a folder, 'lib'") != std::string::npos);
  CHECK(problem(package("path = \"lib.whl\"")).find("from a file") != std::string::npos);
  CHECK(problem(package("git = \"https://example.org/lib\"")).find("from a repository") != std::string::npos);
  CHECK(problem(package("url = \"https://example.org/lib.whl\"")).find("from an address") != std::string::npos);
  CHECK(problem("").find("does not list it") != std::string::npos);
  // The other spelling of a name is the same package.
  CHECK(problem("[[package]]\nname = \"Lib\"\nversion = \"1\"\nsource = { editable = \"x\" }\n").find("'lib'") !=
        std::string::npos);
}

TEST_CASE("a lock file without hashes allows nothing, and no lock file allows everything") {
  const PythonLockFile given = read_python_lock("uv.lock", "version = 1\nrequires-python = \">=3.9\"\n");
  const std::vector<LockedWheel> wheels{{.name = "lib", .version = "4", .file = "lib-4-py3-none-any.whl"}};
  CHECK(contradictions(wheels, given).size() == 1);
  CHECK(contradictions(wheels, {}).empty());
}

TEST_CASE("lock files of poetry and pdm are refused as what they are") {
  const auto problem = [](const std::string& text) {
    try {
      (void)read_python_lock("x.lock", text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string package = "[[package]]\nname = \"idna\"\nversion = \"3.6\"\n";
  CHECK(problem(package + "[metadata]\nlock-version = \"2.0\"\n").find("poetry.lock") != std::string::npos);
  CHECK(problem(package + "[metadata]\nlock_version = \"4.5\"\ncontent_hash = \"x\"\n").find("pdm.lock") !=
        std::string::npos);
  CHECK(problem(package).find("neither") != std::string::npos);
}

TEST_CASE("indexes that a requirements file names are replaced, and folders of files are refused") {
  const auto replace = [](const std::string& url) { return "http://127.0.0.1:1/" + std::to_string(url.size()) + "/"; };
  CHECK(with_indexes("r.txt", "flask==1\n--index-url https://a.b/c\n -i=https://x\n--extra-index-url=https://yy\n# --index-url z\n", replace) ==
        "flask==1\n--index-url http://127.0.0.1:1/13/\n--index-url http://127.0.0.1:1/9/\n--extra-index-url http://127.0.0.1:1/10/\n# --index-url z\n");
  // As pip reads a line: comments, glued values, and lines that go on.
  CHECK(with_indexes("r.txt", "--index-url https://a.b/c  # ours\n-ihttps://x\nflask \\\n  ==1\n", replace) ==
        "--index-url " + replace("https://a.b/c") + "\n--index-url " + replace("https://x") +
            "\nflask   ==1\n");
  CHECK(with_indexes("r.txt", "a @ https://x/y#sha256=1\n", replace) == "a @ https://x/y#sha256=1\n");
  CHECK_THROWS_AS(with_indexes("r.txt", "-f https://a.b\n", replace), Error);
  CHECK_THROWS_AS(with_indexes("r.txt", "--extra-index-url file:///etc/\n", replace), Error);
  CHECK_THROWS_AS(with_indexes("r.txt", "-i /srv/index\n", replace), Error);
  CHECK_THROWS_AS(with_indexes("r.txt", "--find-links=/tmp\n", replace), Error);
}

TEST_CASE("a package's page is read as pip reads it") {
  const auto links =
      links_of(R"(<!DOCTYPE html><a href="../../files/a/foo-1.0%2Bx-py3-none-any.whl#sha256=0">foo</a>
<a data-x='1' href='https://other.example/b/foo-2.tar.gz?k=1&amp;l=2'>foo</a><a name="x">none</a>)",
               "https://index.example/simple/foo/");
  CHECK(links.at("foo-1.0+x-py3-none-any.whl") ==
        "https://index.example/files/a/foo-1.0%2Bx-py3-none-any.whl");
  CHECK(links.at("foo-2.tar.gz") == "https://other.example/b/foo-2.tar.gz?k=1&l=2");
  CHECK(links.size() == 2);
  LockedWheel wheel;
  CHECK(read_wheel_name("Foo.Bar_baz-1.0-1-cp311-abi3-linux_x86_64.whl", wheel));
  CHECK(wheel.name == "foo-bar-baz");
  CHECK(wheel.version == "1.0");
  CHECK(read_wheel_name("some-thing-2.1.tar.gz", wheel));
  CHECK(wheel.name == "some-thing");
  CHECK(wheel.version == "2.1");
  CHECK(wheel.is_source());
  CHECK_FALSE(read_wheel_name("readme.txt", wheel));
}

TEST_CASE("the manifest's index goes before the machine's, and that before pip's own") {
  const PipSettings machine{.index = "https://machine/", .extra_indexes = {"https://extra/"}};
  CHECK(python_indexes({}, machine, "https://pip/") ==
        std::vector<std::string>{"https://machine/", "https://extra/"});
  CHECK(python_indexes({.index = "https://own/"}, machine, "").front() == "https://own/");
  CHECK(python_indexes({}, {}, "https://pip/") == std::vector<std::string>{"https://pip/"});
}

TEST_CASE("a package-lock installs what is for the target, and nothing without integrity") {
  const std::string good = R"("node_modules/a":{"version":"1.0.0","integrity":")" + kIntegrity +
                           R"(","bin":{"a":"bin/a.js"}},)"
                           R"("node_modules/a/node_modules/@s/b":{"version":"2.0.0","integrity":")" +
                           kIntegrity +
                           R"("},)"
                           R"("node_modules/dev":{"version":"1.0.0","dev":true},)"
                           R"("node_modules/mac":{"version":"1.0.0","optional":true,"os":["darwin"]},)"
                           R"("node_modules/arm":{"version":"1.0.0","optional":true,"cpu":["arm64"]})";
  const auto packages = read_npm(good);
  REQUIRE(packages.size() == 2);
  CHECK(packages[0].name == "a");
  CHECK(packages[0].bins == std::vector<std::string>{"a=bin/a.js"});
  CHECK(packages[1].name == "@s/b");
  CHECK_THROWS_AS(read_npm(R"("node_modules/a":{"version":"1.0.0"})"), Error);
  CHECK_THROWS_AS(read_npm(R"("node_modules/../etc":{"version":"1","integrity":")" + kIntegrity + "\"}"),
                  Error);
  CHECK_THROWS_AS(read_npm(R"("packages/x":{"version":"1","integrity":")" + kIntegrity + "\"}"), Error);
  CHECK_THROWS_AS(
      read_npm(R"("node_modules/m":{"version":"1","os":["darwin"],"integrity":")" + kIntegrity + "\"}"),
      Error);
  CHECK(parse_npm_package("@scope/x@1.2.3-rc.1").name == "@scope/x");
  CHECK(parse_npm_package("@scope/x@1.2.3-rc.1").version == "1.2.3-rc.1");
}

}  // namespace alephc
