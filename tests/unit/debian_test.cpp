// SPDX-License-Identifier: MIT
#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/index.hpp"
#include "distro/debian/release.hpp"
#include "distro/debian/requests.hpp"
#include "distro/debian/sources.hpp"
#include "support/catch.hpp"

using namespace alephc;
using namespace alephc::debian;

TEST_CASE("versions are ordered as dpkg orders them") {
  const std::vector<std::string> order{"0~~",        "0~",    "0",        "0.1~rc1",        "0.1",
                                       "1.0~beta-1", "1.0-1", "1.0-1+b1", "1.0-1.1",        "1.0a-1",
                                       "1.0+dfsg-1", "1.2",   "1.10",     "1.10-0+deb12u1", "1:0.1"};
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::size_t k = 0; k < order.size(); ++k) {
      CAPTURE(order[i], order[k]);
      const int result = compare_versions(order[i], order[k]);
      CHECK((result < 0) == (i < k));
      CHECK((result > 0) == (i > k));
    }
  }
  CHECK(compare_versions("1.0", "1.0-0") == 0);
  CHECK(compare_versions("0:1", "1") == 0);
  CHECK(compare_versions("1.001", "1.1") == 0);
}

TEST_CASE("relations are taken apart") {
  const auto groups = parse_relations("libc6 (>= 2.36), a | b:any (<< 2~), c");
  REQUIRE(groups.size() == 3);
  CHECK(groups[0][0].name == "libc6");
  CHECK(groups[0][0].op == ">=");
  CHECK(groups[0][0].version == "2.36");
  REQUIRE(groups[1].size() == 2);
  CHECK(groups[1][1].name == "b");
  CHECK(groups[1][1].arch == "any");
  CHECK(groups[1][1].op == "<<");
  CHECK(satisfies("2.36-9", ">=", "2.36"));
  CHECK_FALSE(satisfies("2.36", ">>", "2.36"));
}

TEST_CASE("stanzas keep continuation lines and skip what is no field") {
  std::string_view text = "\n\nPackage: a\nDescription: one\n two\n .\n three\nnonsense\n\n\nPackage: b\n";
  const auto first = next_stanza(text);
  REQUIRE(first);
  CHECK(first->get("package") == "a");
  CHECK(first->get("Description") == "one\n two\n .\n three");
  const auto second = next_stanza(text);
  REQUIRE(second);
  CHECK(second->get("Package") == "b");
  CHECK_FALSE(next_stanza(text));
}

TEST_CASE("release dates are read without a locale") {
  CHECK(parse_date("Sat, 11 Jul 2026 10:16:37 UTC") == 1783764997);
  CHECK(parse_date("Thu, 01 Jan 1970 00:00:00 UTC") == 0);
  CHECK(parse_date("Mon, 02 Jan 2006 9:04:05 +0000") == 1136192645);
  for (const char* bad : {"yesterday", "", "Sat, 11 Jul 2026 10:16:37", "Sat, 11 Jul 2026 10:16:37 CET", "Sat, 31 Jun 2026 10:16:37 UTC",
                          "Sat, 11 Jul 2026 25:16:37 UTC", "Sat, 11 Jul 2026 10:16:xx UTC", "Sat 11 Jul 2026 10:16:37 UTC",
                          "Sat, 11 Jul 2026 10:16 UTC", "Sat, 4294967307 Jul 2026 10:16:37 UTC"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_date(bad));
  }
  CHECK(compact_date(1783764997) == "20260711T101637Z");
  CHECK(readable_date(1783764997) == "2026-07-11 10:16 UTC");
}

TEST_CASE("a Release names its indexes by hash") {
  const Release release = parse_release(
      "Origin: X\nSuite: s\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nAcquire-By-Hash: yes\nSHA256:\n " +
      std::string(64, 'a') + " 12 main/binary-amd64/Packages.xz\n bad line\n");
  CHECK(release.by_hash);
  REQUIRE(release.files.size() == 1);
  CHECK(release.files.at("main/binary-amd64/Packages.xz").size == 12);
  CHECK_THROWS_AS(parse_release("Origin: no date\n"), Error);
}

TEST_CASE("an index finds packages by name, version and architecture") {
  const std::string hash(64, 'b');
  const std::string text =
      "Package: a\nVersion: 1\nArchitecture: amd64\nFilename: pool/a\nSize: 3\nSHA256: " + hash +
      "\nProvides: v (= 1)\n\nPackage: broken\nVersion: 1\n\n";
  PackageIndex index;
  index.add(text, 0);
  REQUIRE(index.packages().size() == 1);
  CHECK(index.find("a", "1", "amd64") != nullptr);
  CHECK(index.find("a", "2", "amd64") == nullptr);
  CHECK(index.providers_of("v") == std::vector<std::string>{"a"});
  CHECK(index.providers_of("w").empty());
}

TEST_CASE("requests are taken apart") {
  const Request request = parse_request("libc6:i386=2.36-9");
  CHECK(request.name == "libc6");
  CHECK(request.arch == "i386");
  CHECK(request.version == "2.36-9");
  CHECK(parse_request("nginx/bookworm-backports").suite == "bookworm-backports");
}

TEST_CASE("wrong requests are told apart, with near names") {
  const std::string hash(64, 'b');
  const std::string text =
      "Package: python3\nVersion: 3.11\nArchitecture: amd64\nFilename: p\nSize: 3\nSHA256: " + hash +
      "\n\nPackage: exim4\nVersion: 4\nArchitecture: amd64\nFilename: e\nSize: 1\nSHA256: " + hash +
      "\nProvides: mta\n";
  PackageIndex index;
  index.add(text, 0);
  const std::vector<Source> sources{{.name = "debian", .suite = "bookworm"}};
  DiagnosticList problems;
  check_requests({{"pyhton3", {}},
                  {"python3=9", {}},
                  {"python3/sid", {}},
                  {"python3:armhf", {}},
                  {"mta", {}},
                  {"python3", {}}},
                 index, sources, "amd64", problems);
  REQUIRE(problems.items().size() == 5);
  CHECK(problems.items()[0].hint == "did you mean 'python3'?");
  CHECK(problems.items()[1].hint == "there is 3.11");
  CHECK(problems.items()[2].message == "'sid' is none of the manifest's suites");
  CHECK(problems.items()[3].message == "'python3' does not exist for armhf");
  CHECK(problems.items()[4].hint == "choose one that provides it: exim4");
}

TEST_CASE("this machine's apt sources are read in both formats") {
  const auto lines = parse_sources_list(
      "# c\ndeb [arch=amd64 signed-by=/k] http://m/debian bookworm main\ndeb-src http://m/debian bookworm "
      "main\n");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].uri == "http://m/debian");
  CHECK(lines[0].suites == std::vector<std::string>{"bookworm"});
  const auto stanzas = parse_deb822_sources(
      "Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\n\nTypes: deb\nEnabled: "
      "no\nURIs: http://x\nSuites: y\n");
  REQUIRE(stanzas.size() == 1);
  CHECK(stanzas[0].suites.size() == 2);
}
