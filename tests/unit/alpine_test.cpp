// SPDX-License-Identifier: MIT
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/alpine/database.hpp"
#include "distro/alpine/dependency.hpp"
#include "distro/alpine/index.hpp"
#include "distro/alpine/keyring.hpp"
#include "distro/alpine/package.hpp"
#include "distro/alpine/signature.hpp"
#include "distro/alpine/solver.hpp"
#include "distro/alpine/version.hpp"
#include "support/catch.hpp"

using namespace alephc;
using namespace alephc::alpine;

namespace {

TEST_CASE("apk's order of versions") {
  struct Row {
    const char* a;
    const char* order;  // as `apk version -t` of apk-tools 2.14.4 says
    const char* b;
  };
  const std::vector<Row> rows{{"1.0", ">", "1.00"},
                              {"1.0", "<", "1.01"},
                              {"1.00", "<", "1.01"},
                              {"1.01", "<", "1.1"},
                              {"1.010", ">", "1.01"},
                              {"1.001", "<", "1.01"},
                              {"1.0", ">", "1"},
                              {"1.0.5", ">", "1.00.5"},
                              {"1.05.1", "<", "1.5.1"},
                              {"01", "=", "1"},
                              {"1.0a", ">", "1.0"},
                              {"1.0a1", ">", "1.0a"},
                              {"1_p", ">", "1"},
                              {"1_p1", ">", "1_p"},
                              {"1_rc", "<", "1"},
                              {"1_rc1", ">", "1_rc"},
                              {"1-r0", ">", "1"},
                              {"1_p_rc", "<", "1_p"},
                              {"1.00a", "<", "1.0a"},
                              {"1.02", "<", "1.010"},
                              {"1.00", ">", "1.000"},
                              {"1.0", "<", "1.0.0"},
                              {"2.0", ">", "1.9.9"},
                              {"1.10", ">", "1.9"},
                              {"1.2.3-r10", ">", "1.2.3-r9"},
                              {"1_alpha", "<", "1_beta"},
                              {"1_beta", "<", "1_pre"},
                              {"1_pre", "<", "1_rc"},
                              {"1_cvs", ">", "1"},
                              {"1_git20240101", ">", "1_git20231231"},
                              {"20240705-r0", "=", "20240705-r0"}};
  for (const auto& [a, order, b] : rows) {
    CAPTURE(a, b);
    const auto got = compare_versions(a, b);
    CHECK((got < 0 ? "<" : got > 0 ? ">" : "=") == std::string(order));
    const auto back = compare_versions(b, a);
    CHECK((back < 0 ? ">" : back > 0 ? "<" : "=") == std::string(order));
  }
  for (const char* good : {"1", "1.2.3", "1a", "1.2b_rc3_p4-r5", "0_git20240101", "1.0a1"})
    CHECK(is_version(good));
  for (const char* bad : {"", "a", "1.", "1_", "1_what", "1-r", "1-5", "1 2", "1..2", "-r1", "1-r1.2"})
    CHECK_FALSE(is_version(bad));
  CHECK(begins_with_version("1.2.3-r1", "1.2"));
  CHECK(begins_with_version("1.2.3-r1", "1.2.3"));
  CHECK_FALSE(begins_with_version("1.20-r1", "1.2"));
}

TEST_CASE("dependencies are read and written as apk has them") {
  for (const char* text :
       {"bash", "so:libc.musl-x86_64.so.1", "/bin/sh", "bash=5.2-r0", "bash>=5", "bash<6", "bash~5.2",
        "bash@edge", "bash@edge=5", "!bash", "!bash<5", "bash><Q1AAAA=", "bash>~5"}) {
    CAPTURE(text);
    const auto dependency = parse_dependency(text);
    REQUIRE(dependency);
    CHECK(text_of(*dependency) == text);
  }
  CHECK(text_of(*parse_dependency("bash=5@edge")) == "bash@edge=5");
  for (const char* text : {"", "!", "=1", "bash=", "bash=x", "@edge", "bash=1@edge@more"})
    CHECK_FALSE(parse_dependency(text));
  CHECK(parse_dependencies("a  b=1 !c").size() == 3);
  const auto is = [](const char* dependency, const char* version) {
    return matches(*parse_dependency(dependency), version, "Q1id");
  };
  CHECK(is("a", "1"));
  CHECK(is("a", ""));
  CHECK_FALSE(is("a=1", ""));
  CHECK(is("a>=1", "1"));
  CHECK_FALSE(is("a>1", "1"));
  CHECK(is("a~1.2", "1.2.9-r3"));
  CHECK_FALSE(is("a~1.2", "1.3"));
  CHECK(is("a><Q1id", "1"));
  CHECK_FALSE(is("a><Q1other", "1"));
}

/// An index out of "NAME VERSION [FIELD:VALUE …]" lines.
class Fixture {
 public:
  explicit Fixture(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      const std::vector<std::string> parts = split(line, '|');
      const std::vector<std::string> words = split_words(parts[0]);
      text_ += "C:" + identity_of(std::string(20, 'x')) + "\nP:" + words[0] + "\nV:" + words[1] +
               "\nA:x86_64\nS:1\n";
      for (std::size_t i = 1; i < parts.size(); ++i) text_ += std::string(trim(parts[i])) + "\n";
      text_ += "\n";
    }
    index_.add(text_, 0);
  }

  [[nodiscard]] Solution solve(const char* world) const {
    return Solver(index_, {""}).solve(parse_dependencies(world));
  }
  [[nodiscard]] std::string names(const char* world) const {
    std::string out;
    for (const std::uint32_t i : solve(world).packages)
      out += (out.empty() ? "" : " ") + std::string(index_.packages()[i].name) + "-" +
             std::string(index_.packages()[i].version);
    return out;
  }

 private:
  std::string text_;
  PackageIndex index_{"x86_64"};
};

TEST_CASE("packages are chosen and ordered as apk does") {
  const Fixture index({"a 1 | D:b c", "b 1 | D:so:lib.so", "c 1", "lib 1 | p:so:lib.so=1",
                       "lib 2 | p:so:lib.so=2", "old 1 | D:lib<2", "x 1 | D:y", "y 1 | D:x",
                       "doc 1 | i:a docs", "docs 1", "m1 1 | p:mta | k:1", "m2 1 | p:mta | k:2",
                       "v1 1 | p:virtual", "needs-v 1 | D:virtual", "needs-m 1 | D:mta", "hates 1 | D:!lib",
                       "gone 1 | D:nowhere", "way 1 | D:gone"});
  CHECK(index.names("a") == "lib-2 b-1 c-1 a-1");
  CHECK(index.names("a old") == "lib-1 b-1 c-1 a-1 old-1");
  CHECK(index.names("x") == "y-1 x-1");
  CHECK(index.names("a docs") == "lib-2 b-1 c-1 a-1 docs-1 doc-1");
  CHECK(index.names("needs-m") == "m2-1 needs-m-1");
  CHECK(index.names("needs-v v1") == "v1-1 needs-v-1");
  CHECK(index.names("lib=1") == "lib-1");
  CHECK(index.names("").empty());
  // A name without version is nobody's to take by itself.
  const Solution nobody = index.solve("needs-v");
  REQUIRE(nobody.obstacles.size() == 1);
  CHECK(nobody.obstacles[0].chain == std::vector<std::string>{"needs-v", "virtual"});
  REQUIRE_FALSE(index.solve("hates b").obstacles.empty());
  const Solution missing = index.solve("way");
  REQUIRE_FALSE(missing.obstacles.empty());
  CHECK(missing.obstacles[0].chain == std::vector<std::string>{"way"});
  CHECK(missing.obstacles[0].lines ==
        std::vector<std::string>{"way 1 wants gone", "gone 1 wants nowhere", "no package provides nowhere"});
  CHECK_FALSE(index.solve("nothing-of-the-kind").obstacles.empty());
}

TEST_CASE("kept versions stay where they can") {
  const Fixture index({"a 1", "a 2"});
  CHECK(index.names("a") == "a-2");
  std::string text = "C:" + identity_of(std::string(20, 'x')) + "\nP:a\nV:1\nA:x86_64\nS:1\n\n";
  text += "C:" + identity_of(std::string(20, 'y')) + "\nP:a\nV:2\nA:x86_64\nS:1\n\n";
  PackageIndex packages("x86_64");
  packages.add(text, 0);
  CHECK(Solver(packages, {""}, {0}).solve(parse_dependencies("a")).packages == std::vector<std::uint32_t>{0});
  CHECK(Solver(packages, {""}, {0}).solve(parse_dependencies("a>1")).packages ==
        std::vector<std::uint32_t>{1});
}

TEST_CASE("apk's database is written as it was read") {
  const std::string text =
      "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:base\nV:1-r0\nA:x86_64\nq:1000\nF:\nR:top\nZ:Q1SLkS9hBidUbPwwrw+"
      "XR0Whv3ww8=\nF:dev\n"
      "M:0:0:1777\nF:etc\nR:motd\na:0:42:600:Q1MjxtHWIKFkH4cRlTD/"
      "XbjKc0YaU=\nZ:Q1SLkS9hBidUbPwwrw+XR0Whv3ww8=\nR:pipe\n\nC:Q1a=\nP:"
      "second\nV:2\n\n";
  const std::vector<InstalledRecord> records = parse_installed(text);
  REQUIRE(records.size() == 2);
  CHECK(records[0].get('P') == "base");
  CHECK(records[0].get('q') == "1000");
  CHECK(records[0].get('x').empty());
  CHECK(records[0].folders[2].files[0].attributes ==
        Attributes{.uid = 0, .gid = 42, .mode = 0600, .xattrs = "Q1MjxtHWIKFkH4cRlTD/XbjKc0YaU="});
  CHECK(installed_text(records) == text);
  CHECK_THROWS_AS(parse_installed("P:x\nF:a\na:0:0:600\n"), Error);
  CHECK_THROWS_AS(parse_installed("P:x\nF:a\nM:0:0\n"), Error);
  CHECK_THROWS_AS(parse_installed("hello\n"), Error);
  const std::vector<Script> scripts{
      {"busybox-1.36.1-r29", "Q1yY8lhMF1VhgegJgkcXfqaNabDJw=", "post-install", "#!/bin/sh\n", 1718003507},
      {"a-1", "Q1a=", "trigger", std::string(600, 'x'), 1}};
  const std::string tar = scripts_tar(scripts);
  CHECK(tar.size() % 512 == 0);
  const std::vector<Script> again = parse_scripts_tar(tar);
  REQUIRE(again.size() == 2);
  CHECK(again[0].package == "busybox-1.36.1-r29");
  CHECK(again[0].time == 1718003507);
  CHECK(again[1].text == std::string(600, 'x'));
  CHECK(scripts_tar(again) == tar);
  CHECK_THROWS_AS(parse_scripts_tar(tar.substr(0, 512)), Error);
}

TEST_CASE("what a package says of itself") {
  const PackageInfo info = parse_package_info(
      "# a comment\npkgname = app\npkgver = 1.2-r0\narch = x86_64\ndepend = a\ndepend = b>1\nreplaces = c "
      "d\nbuilddate = 17\nsize = 5\n");
  CHECK(info.name == "app");
  CHECK(info.depends == std::vector<std::string>{"a", "b>1"});
  CHECK(info.replaces == std::vector<std::string>{"c", "d"});
  CHECK(info.built() == 17);
  CHECK(index_entry(info, "Q1x", "noarch", 9) ==
        "C:Q1x\nP:app\nV:1.2-r0\nA:noarch\nS:9\nI:5\nT:\nU:\nL:\nt:17\nD:a b>1\n");
  for (const char* bad : {"", "pkgname = ../x\npkgver = 1\narch = x\n", "pkgname = x\npkgver = y\narch = x\n",
                          "pkgname = x\npkgver = 1\n", "pkgname = x\npkgver = 1\narch = x\nsize = many\n"})
    CHECK_THROWS_AS(parse_package_info(bad), Error);
}

// ---- Alpine's own files, where they are at hand

std::filesystem::path data_folder() {
  const char* named = std::getenv("ALEPHC_ALPINE_DATA");
  return named != nullptr ? named : "/var/tmp/alephc-test-cache/alpine";  // as in support/fetch_alpine.py
}

std::optional<std::string> real_index() {
  return read_file_if_exists(data_folder() / "APKINDEX-3.16-main-x86_64.tar.gz");
}

/// Whether a set of packages is whole, found out by another way than the solver's: every dependency of each,
/// every request and no conflict, by comparing all with all.
class Checker {
 public:
  Checker(const PackageIndex& index, const std::vector<std::uint32_t>& chosen) {
    for (const std::uint32_t i : chosen) {
      const IndexedPackage& package = index.packages()[i];
      packages_.push_back(&package);
      names_.insert({package.name, {package.version, package.identity}});
      for (const Dependency& provided : package.provides)
        names_.insert({provided.name, {provided.version, package.identity}});
    }
  }

  [[nodiscard]] bool has(const Dependency& dependency) const {
    const auto [begin, end] = names_.equal_range(dependency.name);
    for (auto it = begin; it != end; ++it)
      if (matches(dependency, it->second.first, it->second.second)) return true;
    return false;
  }

  /// What is wrong, in words; empty if nothing is.
  [[nodiscard]] std::string problem(const std::vector<Dependency>& world) const {
    std::set<std::string_view> seen;
    for (const IndexedPackage* package : packages_) {
      if (!seen.insert(package->name).second) return std::string(package->name) + " is there twice";
      for (const Dependency& dependency : package->depends)
        if (has(dependency) == dependency.conflict)
          return std::string(package->name) + " wants " + text_of(dependency);
    }
    for (const Dependency& dependency : world)
      if (has(dependency) == dependency.conflict) return "the world wants " + text_of(dependency);
    return {};
  }

 private:
  std::vector<const IndexedPackage*> packages_;
  std::multimap<std::string_view, std::pair<std::string_view, std::string_view>> names_;
};

TEST_CASE("the checker sees what is missing") {
  const std::string text = "C:" + identity_of(std::string(20, 'x')) +
                           "\nP:a\nV:1\nA:x86_64\nS:1\nD:b\n\nC:" + identity_of(std::string(20, 'y')) +
                           "\nP:b\nV:1\nA:x86_64\nS:1\nD:!a\n\n";
  PackageIndex index("x86_64");
  index.add(text, 0);
  CHECK(Checker(index, {0}).problem({}) == "a wants b");
  CHECK(Checker(index, {0, 1}).problem({}) == "b wants !a");
  CHECK(Checker(index, {}).problem(parse_dependencies("a")) == "the world wants a");
}

TEST_CASE("Alpine's real index verifies, loads and resolves") {
  const auto bytes = real_index();
  if (!bytes) {
    WARN("skipped: Alpine's index is not at hand; tests/support/fetch_alpine.py brings it");
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  const SignedIndex verified = verify_index(*bytes, distribution_keys(), "alpine/v3.16/main");
  PackageIndex index("x86_64");
  index.add(verified.text, 0);
  const auto spent = std::chrono::steady_clock::now() - start;
  WARN("verified and loaded in " << std::chrono::duration_cast<std::chrono::milliseconds>(spent).count()
                                 << " ms");
  CHECK(index.packages().size() == 4929);
  CHECK(verified.date > 1'600'000'000);
  std::string damaged = *bytes;
  damaged[damaged.size() - 20] = static_cast<char>(damaged[damaged.size() - 20] ^ 1);
  CHECK_THROWS_AS(verify_index(damaged, distribution_keys(), "alpine/v3.16/main"), Error);
  // The listed names, and one package in a hundred.
  std::vector<std::string> names{"python3", "nodejs", "openssh", "nginx", "postgresql14", "gcc"};
  for (std::size_t i = 7; i < index.packages().size() && names.size() < 56; i += 97)
    names.emplace_back(index.packages()[i].name);
  CHECK(names.size() == 56);
  const Solver solver(index, {""});
  for (const std::string& name : names) {
    CAPTURE(name);
    const std::string wanted = "busybox " + name;
    const std::vector<Dependency> world = parse_dependencies(wanted);
    const Solution solution = solver.solve(world);
    CHECK(solution.obstacles.empty());
    CHECK(Checker(index, solution.packages).problem(world).empty());
  }
}

}  // namespace
