// SPDX-License-Identifier: MIT
// Where Debian's and Ubuntu's packages are taken from, and what is asked for before apt sees it.
#include "distro/debian/sources.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/index.hpp"
#include "distro/debian/keyring.hpp"
#include "distro/debian/requests.hpp"
#include "distro/distro.hpp"
#include "distro/package_file.hpp"
#include "distro/signed_index.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;
using namespace alephc::debian;

namespace {

constexpr std::int64_t kJuly = 1'593'604'800;  // 2020-07-01 12:00:00 UTC

Manifest manifest_of(const std::string& distro, const std::string& release) {
  Manifest manifest;
  manifest.base.distro = distro;
  manifest.base.release = release;
  manifest.base.components = {"main", "contrib"};
  return manifest;
}

std::vector<std::string> ids_of(const std::vector<Source>& sources) {
  std::vector<std::string> ids;
  for (const Source& source : sources) ids.push_back(source.id());
  return ids;
}

/// A paragraph of a Packages file.
std::string stanza(const std::string& name, const std::string& version, const std::string& fields = {}) {
  return "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\nFilename: pool/" + name +
         "\nSize: 3\nSHA256: " + std::string(64, 'b') + "\n" + fields + "\n";
}

using Names = std::vector<std::string>;

bool has(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

TEST_CASE("a release has its updates and security updates beside it, which may be missing") {
  const std::vector<Source> sources = sources_of(manifest_of("debian", "bookworm"), {}, "");
  CHECK(ids_of(sources) == Names{"debian/bookworm", "debian/bookworm-updates", "debian/bookworm-security"});
  CHECK_FALSE(sources[0].optional);
  CHECK(sources[1].optional);
  CHECK(sources[2].optional);
  for (const Source& source : sources) {
    CHECK(source.components == Names{"main", "contrib"});
    CHECK(source.keyring == "/usr/share/keyrings/debian-archive-keyring.gpg");
    CHECK(source.distribution_keyring);
    CHECK(source.check_valid_until);
    CHECK(source.priority == 0);
    CHECK_FALSE(source.is_flat());
  }
  CHECK(ids_of(sources_of(manifest_of("debian", "sid"), {}, "")) == Names{"debian/sid"});
  CHECK(ids_of(sources_of(manifest_of("debian", "unstable"), {}, "")) == Names{"debian/unstable"});
}

TEST_CASE("suites and a keyring that the manifest names stand for the distribution's") {
  Manifest manifest = manifest_of("debian", "bookworm");
  manifest.base.suites = {"bookworm", "bookworm-backports"};
  manifest.base.keyring = "keys/own.gpg";
  manifest.base.check_valid_until = false;
  manifest.contents["keys/own.gpg"] = "/store/key";
  const std::vector<Source> sources = sources_of(manifest, {}, "");
  CHECK(ids_of(sources) == Names{"debian/bookworm", "debian/bookworm-backports"});
  for (const Source& source : sources) {
    CHECK_FALSE(source.optional);
    CHECK(source.keyring == "/store/key");
    CHECK_FALSE(source.distribution_keyring);
    CHECK(source.embedded_keys.empty());
    CHECK_FALSE(source.check_valid_until);
  }
}

TEST_CASE("mirrors that the user names come before the manifest's, those before the configured ones, each once") {
  Manifest manifest = manifest_of("ubuntu", "jammy");
  manifest.base.mirrors = {"https://manifest/ubuntu/", "https://named/ubuntu"};
  const Mirrors mirrors{.named = {"https://named/ubuntu//"}, .configured = {"https://configured/ubuntu", ""}};
  const std::vector<Source> sources = sources_of(manifest, mirrors, "");
  for (const Source& source : sources) {
    REQUIRE(source.bases.size() >= 4);
    CHECK(Names(source.bases.begin(), source.bases.begin() + 3) ==
          Names{"https://named/ubuntu", "https://manifest/ubuntu", "https://configured/ubuntu"});
    CHECK(has(source.bases, "http://archive.ubuntu.com/ubuntu"));
  }
  CHECK(has(sources[2].bases, "http://security.ubuntu.com/ubuntu"));
  CHECK_FALSE(has(sources[2].bases, "http://ports.ubuntu.com/ubuntu-ports"));
  manifest.base.arch = "arm64";
  CHECK(has(sources_of(manifest, mirrors, "")[2].bases, "http://ports.ubuntu.com/ubuntu-ports"));
}

TEST_CASE("as of a date only snapshots are asked, whose Releases may be over") {
  const Mirrors mirrors{.named = {"https://own-snapshots/x"}, .configured = {"https://configured/debian"}};
  const std::vector<Source> sources = sources_of(manifest_of("debian", "bookworm"), mirrors, "20200701T120000Z");
  CHECK(sources[0].bases ==
        Names{"https://own-snapshots/x", "https://snapshot.debian.org/archive/debian/20200701T120000Z"});
  CHECK(sources[2].bases.back() == "https://snapshot.debian.org/archive/debian-security/20200701T120000Z");
  for (const Source& source : sources) CHECK_FALSE(source.check_valid_until);
}

TEST_CASE("snapshots of a distribution have their addresses, Debian's security updates one of their own") {
  const std::string date = "20200701T120000Z";
  const std::string debian = "https://snapshot.debian.org/archive/debian/" + date;
  const std::string security = "https://snapshot.debian.org/archive/debian-security/" + date;
  const std::string ubuntu = "https://snapshot.ubuntu.com/ubuntu/" + date;
  CHECK(snapshot_base("debian", "bookworm", date) == debian);
  CHECK(snapshot_base("debian", "bookworm-updates", date) == debian);
  CHECK(snapshot_base("debian", "bookworm-security", date) == security);
  CHECK(snapshot_base("debian", "buster/updates", date) == security);
  CHECK(snapshot_base("ubuntu", "jammy", date) == ubuntu);
  CHECK(snapshot_base("ubuntu", "jammy-security", date) == ubuntu);
}

TEST_CASE("a repository of the manifest brings its own key, pin and priority") {
  Manifest manifest = manifest_of("debian", "bookworm");
  manifest.base.suites = {"bookworm"};
  manifest.repositories = {{.name = "extra",
                            .url = "https://r.example.org/debian/",
                            .suite = "stable",
                            .components = {"c"},
                            .key = "k.asc",
                            .fingerprint = std::string(40, 'F'),
                            .priority = 400},
                           {.name = "flat", .url = "https://f.example.org", .suite = "./", .key = "k.asc"}};
  manifest.contents["k.asc"] = "/store/k";
  const std::vector<Source> sources = sources_of(manifest, {}, "20200701T120000Z");
  REQUIRE(ids_of(sources) == Names{"debian/bookworm", "extra/stable", "flat/./"});
  CHECK(sources[1].bases == Names{"https://r.example.org/debian"});  // no snapshot has it
  CHECK(sources[1].components == Names{"c"});
  CHECK(sources[1].keyring == "/store/k");
  CHECK(sources[1].fingerprint == std::string(40, 'F'));
  CHECK(sources[1].priority == 400);
  CHECK(sources[1].check_valid_until);
  CHECK_FALSE(sources[1].distribution_keyring);
  CHECK(sources[2].is_flat());
  CHECK(bases_of(manifest, {.name = "flat", .suite = "./", .date = kJuly}, {}) == Names{"https://f.example.org"});
}

TEST_CASE("a locked suite is fetched from mirrors, and at last from the snapshot half a day after its index") {
  const Manifest manifest = manifest_of("debian", "bookworm");
  const Mirrors mirrors{.named = {"https://named/debian"}};
  const Names bases = bases_of(manifest, {.name = "debian", .suite = "bookworm-security", .date = kJuly}, mirrors);
  CHECK(bases.front() == "https://named/debian");
  CHECK(bases.back() == "https://snapshot.debian.org/archive/debian-security/20200702T000000Z");
}

TEST_CASE("keys come from the keyring file, else from those that alephc brings, else the package is named") {
  const TestStore test;
  atomic_write(test.folder() / "keyring", "from the file");
  Source source{.name = "ubuntu", .keyring = test.folder() / "keyring", .embedded_keys = "embedded"};
  CHECK(keys_of(source) == "from the file");
  source.keyring = test.folder() / "missing";
  CHECK(keys_of(source) == "embedded");
  source.embedded_keys.clear();
  CHECK(error_kind([&] { (void)keys_of(source); }) == ErrorKind::host);
  const std::string text = error_text([&] { (void)keys_of(source); });
  CHECK(text.find("missing is missing\ninstall ubuntu-keyring") != std::string::npos);
  source.name = "extra";
  CHECK(error_text([&] { (void)keys_of(source); }).find("install debian-archive-keyring") != std::string::npos);
}

TEST_CASE("alephc brings the keys of the archives that it knows") {
  const auto count = [](const std::string& keys) {
    std::size_t found = 0;
    for (std::size_t at = keys.find("BEGIN PGP"); at != std::string::npos;
         at = keys.find("BEGIN PGP", at + 1))
      ++found;
    return found;
  };
  CHECK(count(embedded_keys("debian")) == 9);  // three of each release
  CHECK(count(embedded_keys("ubuntu")) == 1);
  CHECK(embedded_keys("none").empty());
}

TEST_CASE("lines of sources.list that name no packages are skipped") {
  const auto entries = parse_sources_list(
      "deb http://a/debian bookworm main contrib # words\n"
      "  deb\thttp://b/debian\tsid main\n"
      "# deb http://c/debian sid main\n"
      "deb [ arch=amd64 trusted=yes ] http://d/debian ./\n"
      "deb [arch=amd64 http://e/debian sid main\n"
      "deb http://f/debian\n"
      "deb-src http://g/debian sid main\n"
      "rpm http://h/debian sid main\n");
  std::string text;
  for (const AptEntry& entry : entries) text += entry.uri + " " + join(entry.suites, ",") + "\n";
  CHECK(text == "http://a/debian bookworm\nhttp://b/debian sid\nhttp://d/debian ./\n");
}

TEST_CASE("every address of a deb822 source is one, and those that are off or of sources only are none") {
  const auto entries = parse_deb822_sources(
      "# words\nTypes: deb deb-src\nURIs: http://a/debian\n http://b/debian\nSuites: bookworm\n bookworm-updates\n"
      "Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n AAAA\n\n"
      "Types: deb-src\nURIs: http://c/debian\nSuites: sid\n\n"
      "types: deb\nuris: http://d/debian\nsuites: sid\nEnabled: yes\n\n"
      "Types: deb\nURIs: http://e/debian\nSuites: sid\nEnabled: no\n");
  std::string text;
  for (const AptEntry& entry : entries) text += entry.uri + " " + join(entry.suites, ",") + "\n";
  CHECK(text ==
        "http://a/debian bookworm,bookworm-updates\nhttp://b/debian bookworm,bookworm-updates\nhttp://d/debian sid\n");
}

TEST_CASE("an image's own sources are none, the snapshots of its lock, or lines of the manifest") {
  Manifest manifest = manifest_of("debian", "bookworm");
  Lock lock;
  lock.repositories = {{.name = "debian", .suite = "bookworm", .date = kJuly}, {.name = "extra", .suite = "stable"}};
  const Distro& distro = distro_of("debian");
  manifest.base.image_sources = {"none"};
  CHECK_FALSE(distro.image_sources(manifest, lock));
  manifest.base.image_sources = {"deb http://a b c", "deb http://d e f"};
  CHECK(distro.image_sources(manifest, lock)->content == "deb http://a b c\ndeb http://d e f\n");
  manifest.base.image_sources = {"snapshot"};
  const auto file = distro.image_sources(manifest, lock);
  REQUIRE(file);
  CHECK(file->path == "etc/apt/sources.list");
  CHECK(file->content ==
        "deb [check-valid-until=no] https://snapshot.debian.org/archive/debian/20200702T000000Z "
        "bookworm main contrib\n");
}

TEST_CASE("packages that are configured first are fetched first, then the largest, and files of the project never") {
  Manifest manifest = manifest_of("debian", "bookworm");
  manifest.repositories = {{.name = "extra", .url = "https://r"}};
  Lock lock;
  lock.repositories = {{.name = "extra", .suite = "stable"}};
  const auto package = [](const char* name, std::uint64_t size, bool bootstrap) {
    return LockedPackage{.name = name,
                         .version = "1",
                         .size = size,
                         .sha256 = sha256(name),
                         .repository = "extra/stable",
                         .path = std::string("pool/") + name,
                         .bootstrap = bootstrap};
  };
  lock.layers = {{"p", {package("small", 1, false), package("libc", 2, true), package("large", 9, false)}},
                 {"q", {package("sh", 5, true), package("own", 1, false), package("far", 1, false)}}};
  lock.layers[1].packages[1].repository = "file";
  lock.layers[1].packages[2].repository = "url";
  lock.layers[1].packages[2].path = "https://far/far.deb";
  const std::vector<RemoteFile> files = distro_of("debian").package_files(manifest, lock, {});
  std::string text;
  for (const RemoteFile& file : files) text += file.label + " " + join(file.urls, " ") + "\n";
  CHECK(text ==
        "libc 1 https://r/pool/libc\nsh 1 https://r/pool/sh\nlarge 1 https://r/pool/large\n"
        "small 1 https://r/pool/small\nfar 1 https://far/far.deb\n");
  CHECK(files[0].digest == sha256("libc"));
  CHECK(files[0].size == 2);
}

TEST_CASE("commands for locales and removals of Debian") {
  const Distro& distro = distro_of("debian");
  const auto locales = distro.locale_commands({"de_DE.UTF-8", "en_US.ISO-8859-1", "C"});
  REQUIRE(locales.size() == 1);
  CHECK(locales[0].input == "de_DE.UTF-8 UTF-8\nen_US.ISO-8859-1 ISO-8859-1\nC UTF-8\n");
  const auto removal = distro.remove_commands({"gcc", "make"});
  REQUIRE(removal.size() == 2);
  CHECK(removal[0].argv == Names{"dpkg", "--force-unsafe-io", "--purge", "gcc", "make"});
  CHECK(has(removal[1].argv, "/var/log/dpkg.log"));
}

TEST_CASE("requests have a name, and an architecture, version or suite where they say so") {
  struct Row {
    const char* text;
    const char* name;
    const char* arch;
    const char* version;
    const char* suite;
  };
  for (const Row& row : std::vector<Row>{{"g++", "g++", "", "", ""},
                                         {"libc6:i386", "libc6", "i386", "", ""},
                                         {"a=1:2.0-1~bpo/x", "a", "", "1:2.0-1~bpo/x", ""},
                                         {"a:arm64/sid", "a", "arm64", "", "sid"},
                                         {"a/buster/updates", "a", "", "", "buster/updates"},
                                         {"a=", "a", "", "", ""}}) {
    CAPTURE(row.text);
    const Request request = parse_request(row.text);
    CHECK(request.name == row.name);
    CHECK(request.arch == row.arch);
    CHECK(request.version == row.version);
    CHECK(request.suite == row.suite);
  }
}

TEST_CASE("requests that the archive can answer raise no problem") {
  const std::string text = stanza("a", "1") + stanza("a", "2") + stanza("data", "1", "Architecture: all\n");
  PackageIndex index;
  index.add(text, 0);
  DiagnosticList problems;
  check_requests({{"a", {}}, {"a=1", {}}, {"a:amd64=2", {}}, {"a/sid", {}}, {"data:amd64", {}}}, index,
                 {{.name = "debian", .suite = "sid"}}, "amd64", problems);
  CHECK(problems.items().empty());
  check_requests({{"a=3", {}}, {"a-", {}}, {"a.*", {}}}, index, {}, "amd64", problems);
  REQUIRE(problems.items().size() == 3);
  CHECK(problems.items()[0].message == "'a' has no version 3");
  CHECK(problems.items()[0].hint == "there is 1, 2");
  CHECK(problems.items()[1].message == "there is no package 'a-'");
  CHECK(problems.items()[2].message == "there is no package 'a.*'");
}

TEST_CASE("the shortest chain of requirements explains why a package is there") {
  const std::string text = stanza("nginx", "1", "Depends: libssl3 (>= 3), nginx-common | other\n") +
                           stanza("nginx-common", "1", "Pre-Depends: lsb-base\n") +
                           stanza("libssl3", "1", "Depends: libc6\n") + stanza("lsb-base", "1", "Depends: nginx\n");
  PackageIndex index;
  index.add(text, 0);
  CHECK(requirement_chain({"nginx"}, "lsb-base", index) == Names{"nginx", "nginx-common", "lsb-base"});
  CHECK(requirement_chain({"nginx"}, "libc6", index) == Names{"nginx", "libssl3", "libc6"});
  CHECK(requirement_chain({"nginx", "libssl3"}, "libc6", index) == Names{"libssl3", "libc6"});
  CHECK(requirement_chain({"nginx"}, "nginx", index) == Names{"nginx"});
  CHECK(requirement_chain({"libssl3"}, "nginx", index).empty());
  CHECK(requirement_chain({}, "nginx", index).empty());
}

TEST_CASE("of equal packages the one with the higher pin wins, then the first source's") {
  const std::string text = stanza("a", "1");
  PackageIndex index;
  index.add(text, 2, 500);
  index.add(text, 1, 500);
  index.add(text, 3, 400);
  CHECK(index.find("a", "1", "amd64")->source == 1);
  index.add(text, 4, 990);
  CHECK(index.find("a", "1", "amd64")->source == 4);
  CHECK(index.find("a", "1", "arm64") == nullptr);
  CHECK(index.named("a").size() == 4);
}

TEST_CASE("an index knows names once, sorted, and who provides a name exactly") {
  const std::string text = stanza("exim", "1", "Provides: mta, mail (= 1)\n") + stanza("exim", "2", "Provides: mta\n") +
                           stanza("amavis", "1", "Provides: mta-helper, smtp\n") +
                           stanza("postfix", "1", "Provides: mta\n");
  PackageIndex index;
  index.add(text, 0);
  CHECK(index.names() == Names{"amavis", "exim", "postfix"});
  CHECK(index.providers_of("mta") == Names{"exim", "postfix"});
  CHECK(index.providers_of("mail") == Names{"exim"});
  CHECK(index.providers_of("exim").empty());
}

TEST_CASE("a package of an index without place, version or hash cannot be installed and is left out") {
  const std::string good = stanza("a", "1", "Essential: yes\nPriority: required\nMulti-Arch: same\n");
  const auto without = [&](const std::string& field) {
    std::string text = good;
    const std::size_t at = text.find(field + ":");
    return text.erase(at, text.find('\n', at) + 1 - at);
  };
  for (const char* field : {"Package", "Version", "Filename", "SHA256"}) {
    CAPTURE(field);
    const std::string text = without(field);
    PackageIndex index;
    index.add(text, 0);
    CHECK(index.packages().empty());
  }
  PackageIndex index;
  index.add(good, 0);
  REQUIRE(index.packages().size() == 1);
  CHECK(index.packages()[0].essential);
  CHECK(index.packages()[0].priority == "required");
  CHECK(index.packages()[0].multi_arch == "same");
  CHECK(index.packages()[0].size == 3);
}

TEST_CASE("versions satisfy relations as dpkg has it, and an unknown operator nothing") {
  struct Row {
    const char* op;
    bool older;
    bool same;
    bool newer;
  };
  for (const Row& row : std::vector<Row>{{"=", false, true, false},
                                         {">=", false, true, true},
                                         {"<=", true, true, false},
                                         {">>", false, false, true},
                                         {"<<", true, false, false},
                                         {"", true, true, true},
                                         {"~", false, false, false}}) {
    CAPTURE(row.op);
    CHECK(satisfies("1.0~rc1", row.op, "1.0") == row.older);
    CHECK(satisfies("1.0-0", row.op, "1.0") == row.same);
    CHECK(satisfies("1.0-1", row.op, "1.0") == row.newer);
  }
}

TEST_CASE("a mirror that serves a bad text is passed over, and its error kept if nobody has a good one") {
  TestStore test;
  FakeFetcher web(test.store, {{"https://b/x", "bad"}, {"https://d/x", "good"}});
  const std::vector<std::string> urls{"https://a/x", "https://b/x", "https://c/x", "https://d/x"};
  const auto accept = [](const std::string& text) {
    if (text == "bad") throw Error(ErrorKind::integrity, "it is bad");
    if (text == "worse") throw Error(ErrorKind::failed, "it is worse");
  };
  std::vector<std::string> asked;
  CHECK(fetch_signed(urls, 100, web, accept, asked) == "good");
  CHECK(asked == Names{"https://a/x: not found", "https://c/x: not found"});
  const std::vector<std::string> first(urls.begin(), urls.begin() + 3);
  const std::string text = error_text([&] { (void)fetch_signed(first, 100, web, accept, asked); });
  CHECK(text == "it is bad\nfrom https://b/x\n");
  asked.clear();
  CHECK_FALSE(fetch_signed({"https://a/x"}, 100, web, accept, asked));
  CHECK(asked == Names{"https://a/x: not found"});
  web.put("https://a/x", "worse");
  CHECK(error_kind([&] { (void)fetch_signed(urls, 100, web, accept, asked); }) == ErrorKind::failed);
}

TEST_CASE("an index that is older than the locked one of the same suite is refused") {
  Lock previous;
  previous.repositories = {{.name = "debian", .suite = "sid", .date = kJuly}};
  const auto refused = [&](const char* name, const char* suite, std::int64_t date, const Lock* lock) {
    return error_kind([&] { refuse_older("Release", {.name = name, .suite = suite, .date = date}, lock, " or wait"); });
  };
  CHECK(refused("debian", "sid", kJuly - 1, &previous) == ErrorKind::integrity);
  CHECK_FALSE(refused("debian", "sid", kJuly, &previous));
  CHECK_FALSE(refused("debian", "sid", 0, nullptr));
  CHECK_FALSE(refused("debian", "bookworm", 0, &previous));
  CHECK_FALSE(refused("other", "sid", 0, &previous));
  const std::string text = error_text(
      [&] { refuse_older("Release", {.name = "debian", .suite = "sid", .date = 0}, &previous, " or wait"); });
  CHECK(text ==
        "the Release is older than the locked one\noffered: 1970-01-01 00:00 UTC\nlocked:  2020-07-01 12:00 UTC\n"
        "the mirror is stale, or offers old packages on purpose: try another mirror or wait\n");
}

TEST_CASE("a package that the manifest gives by address is fetched, checked and named without its password") {
  TestStore test;
  FakeFetcher web(test.store, {{"https://me:secret@host/a.deb", "bytes"}});
  const ToolBox tools{test.store, web, test.reporter};
  const PackageFile remote{.url = "https://me:secret@host/a.deb", .sha256 = sha256("bytes")};
  CHECK(shown_name(remote) == "https://host/a.deb");
  CHECK(read_all(open_package_file(remote, {}, tools).get()) == "bytes");
  const PackageFile wrong{.url = remote.url, .sha256 = sha256("others")};
  CHECK(error_kind([&] { (void)open_package_file(wrong, {}, tools); }) == ErrorKind::integrity);
  Manifest manifest;
  atomic_write(test.folder() / "own", "own bytes");
  manifest.contents["debs/own.deb"] = test.folder() / "own";
  const PackageFile own{.path = "debs/own.deb"};
  CHECK(shown_name(own) == "debs/own.deb");
  CHECK(read_all(open_package_file(own, manifest, tools).get()) == "own bytes");
}

TEST_CASE("an address of a repository of the manifest has no slash at its end") {
  Manifest manifest = manifest_of("debian", "bookworm");
  manifest.repositories = {{.name = "own", .url = "https://own.example.org/debian/", .suite = "s"}};
  CHECK(bases_of(manifest, {.name = "own", .suite = "s", .date = kJuly}, {}) ==
        Names{"https://own.example.org/debian"});
}
