// SPDX-License-Identifier: MIT
// Release files of Debian archives: what is read from them, and which signatures count. The signatures are made by gpg.
#include "distro/debian/release.hpp"
#include "distro/signed_index.hpp"

#include <map>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "distro/debian/indexes.hpp"
#include "distro/debian/openpgp.hpp"
#include "distro/distro.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;
using namespace alephc::debian;

namespace {

constexpr std::int64_t kSummer2020 = 1'593'604'800;  // Wed, 01 Jul 2020 12:00:00 UTC
constexpr const char* kFakedTime = "20200701T120000!";

const std::string kText =
    "Origin: Test\nLabel: Words\nSuite: stable\nCodename: bookworm\nDate: Wed, 01 Jul 2020 12:00:00 UTC\n"
    "Valid-Until: Wed, 08 Jul 2020 12:00:00 UTC\n";

/// gpg with a home of its own; its agent's socket lies there and must have a short path.
class Gpg {
 public:
  Gpg() = default;
  ~Gpg() {
    if (const auto gpgconf = find_program("gpgconf"))
      (void)run_command(
          {.argv = {*gpgconf, "--homedir", home_.path().string(), "--kill", "all"}, .environment = env()});
  }
  Gpg(const Gpg&) = delete;
  Gpg& operator=(const Gpg&) = delete;

  [[nodiscard]] std::string run(std::vector<std::string> arguments, const std::string& input = {}) const {
    std::vector<std::string> argv{"gpg", "--homedir", home_.path().string(), "--batch", "--no-tty", "--yes"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const CommandResult result = run_command({.argv = argv, .environment = env(), .input = input});
    INFO(join(argv, " ") << "\n" << result.errors);
    REQUIRE(result.exit_code == 0);
    return result.output;
  }

  /// The fingerprint of a new key, made of lines for --generate-key.
  [[nodiscard]] std::string make_key(const std::string& lines, const std::vector<std::string>& options = {}) const {
    std::vector<std::string> arguments = options;
    arguments.insert(arguments.end(), {"--status-fd", "1", "--generate-key"});
    const std::string said =
        run(arguments,
            "%no-protection\n" + lines + "Key-Usage: sign\nName-Real: " + std::to_string(++names_) + "\n%commit\n");
    for (const std::string& line : split(said, '\n'))
      if (line.starts_with("[GNUPG:] KEY_CREATED ")) return split_words(line).at(3);
    FAIL("gpg made no key: " << said);
    return {};
  }

  [[nodiscard]] std::string sign(const std::string& text, const std::vector<std::string>& keys,
                                 std::vector<std::string> options = {}) const {
    for (const std::string& key : keys) options.insert(options.end(), {"-u", key});
    options.emplace_back("--clearsign");
    return run(options, text);
  }

  [[nodiscard]] std::string export_keys(const std::vector<std::string>& keys, bool armor = false) const {
    std::vector<std::string> arguments{armor ? "--armor" : "--no-armor", "--export"};
    arguments.insert(arguments.end(), keys.begin(), keys.end());
    return run(arguments);
  }

  void revoke(const std::string& key) const {
    std::string text = read_file(home_.path() / "openpgp-revocs.d" / (key + ".rev"));
    text.replace(text.find(":-----BEGIN"), 1, "");  // a colon guards against imports by accident
    (void)run({"--import"}, text);
  }

 private:
  [[nodiscard]] std::map<std::string, std::string> env() const {
    return {{"HOME", home_.path().string()}, {"LC_ALL", "C"}, {"PATH", "/usr/bin:/bin"}};
  }

  TempDir home_{"/tmp", "gpg"};
  mutable int names_ = 0;
};

/// Keys take long to make: all tests share them.
struct Keys {
  Gpg gpg{};
  std::string good = gpg.make_key("Key-Type: eddsa\nKey-Curve: ed25519\n");
  std::string rsa = gpg.make_key("Key-Type: RSA\nKey-Length: 2048\n");
  std::string stranger = gpg.make_key("Key-Type: eddsa\nKey-Curve: ed25519\n");
};

const Keys* shared_keys() {
  if (!find_program("gpg") || !find_program("gpgv")) {
    WARN("skipped: gpg or gpgv is not installed");
    return nullptr;
  }
  static const Keys kKeys;
  return &kKeys;
}

std::string refusal(const std::string& in_release, const TrustedKeys& trusted) {
  CHECK(error_kind([&] { (void)verify_release(in_release, trusted, "test/stable"); }) == ErrorKind::integrity);
  return error_text([&] { (void)verify_release(in_release, trusted, "test/stable"); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a Release says who made it, for which suite, and until when it is valid") {
  const Release release = parse_release(kText);
  CHECK(release.origin == "Test");
  CHECK(release.label == "Words");
  CHECK(release.suite == "stable");
  CHECK(release.codename == "bookworm");
  CHECK(release.date == kSummer2020);
  CHECK(release.valid_until == kSummer2020 + 7 * 86400);
  CHECK_FALSE(release.by_hash);
  CHECK(release.files.empty());
  CHECK(release.signers.empty());
  CHECK(release.text == kText);
  CHECK(parse_release("Date: Wed, 01 Jul 2020 12:00:00 UTC\n").valid_until == 0);
  CHECK_FALSE(parse_release("Date: Wed, 01 Jul 2020 12:00:00 UTC\nAcquire-By-Hash: no\n").by_hash);
}

TEST_CASE("a Release's hashes are the SHA256 ones, and damaged lines name nothing") {
  const std::string good(64, 'c');
  const Release release =
      parse_release("Date: Wed, 01 Jul 2020 12:00:00 UTC\nMD5Sum:\n " + std::string(32, 'a') +
                    " 1 md5/only\nSHA256:\n " + good + " 7 main/a\n " + good.substr(1) + " 7 main/short\n " + good +
                    " -7 main/negative\n " + good + " 7 main/two words\n " + good + "       8 main/b\n");
  REQUIRE(release.files.size() == 2);
  CHECK(release.files.at("main/a").sha256.hex() == good);
  CHECK(release.files.at("main/a").size == 7);
  CHECK(release.files.at("main/b").size == 8);
}

TEST_CASE("a Release that is ambiguous or has unreadable dates is refused") {
  const std::string date = "Date: Wed, 01 Jul 2020 12:00:00 UTC\n";
  const std::vector<std::pair<std::string, std::string>> refused{
      {"", "an empty Release file"},
      {"\n\n", "an empty Release file"},
      {"Origin: x\n", "a Release file without a date"},
      {"Date:\n", "a Release file without a date"},
      {"Date: today\n", "a Release file with an unreadable date: 'today'"},
      {"Date: Wed, 01 Jul 2020 12:00:00 CEST\n", "unreadable date"},
      {date + "Valid-Until: never\n", "a Release file with an unreadable end of validity: 'never'"},
      {date + date, "a Release file with two fields 'Date'"},
      {date + "Suite: a\nsuite: b\n", "a Release file with two fields 'suite'"},
      {date + "SHA256:\nSHA256:\n", "a Release file with two fields 'SHA256'"}};
  for (const auto& [text, message] : refused) {
    CAPTURE(text);
    CHECK(error_kind([&] { (void)parse_release(text); }) == ErrorKind::integrity);
    CHECK(contains(error_text([&] { (void)parse_release(text); }), message));
  }
}

TEST_CASE("an unreadable date is shown without what would steer a terminal") {
  const std::string text = error_text([] { (void)parse_release("Date: \x1b[2J\n"); });
  CHECK(contains(text, "unreadable date"));
  CHECK_FALSE(contains(text, "\x1b"));
}

TEST_CASE("only the first paragraph of a Release counts") {
  const Release release = parse_release(kText + "\nSHA256:\n " + std::string(64, 'a') + " 1 main/forged\n");
  CHECK(release.files.empty());
}

TEST_CASE("dates of leap days, leap seconds and other names of UTC are read") {
  CHECK(parse_date("Sat, 29 Feb 2020 00:00:00 UTC") == 1582934400);
  CHECK_FALSE(parse_date("Mon, 29 Feb 2021 00:00:00 UTC"));
  CHECK(parse_date("Sat, 31 Dec 2016 23:59:60 UTC") == 1483228800);
  CHECK_FALSE(parse_date("Sat, 31 Dec 2016 23:59:61 UTC"));
  for (const char* zone : {"UTC", "GMT", "Z", "+0000", "-0000"})
    CHECK(parse_date(std::string("Thu, 01 Jan 1970 00:00:01 ") + zone) == 1);
  for (const char* bad :
       {"Thu, 00 Jan 1970 00:00:00 UTC", "Thu, 01 jan 1970 00:00:00 UTC", "Thu, 01 Jan 70000 00:00:00 UTC",
        "Thu, 01 Jan 1970 24:00:00 UTC", "Thu, 01 Jan 1970 00:60:00 UTC", "Thu, 01 Jan 1970 -1:00:00 UTC",
        "Thu, 01 Jan 1970 00:00:00 +0100", "Thu, 01 Jan 1970 00:00:00 UTC more"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_date(bad));
  }
}

TEST_CASE("a Release must be that of the suite that was asked for") {
  struct Row {
    const char* suite;
    const char* codename;
    const char* asked;
    bool taken;
  };
  const std::vector<Row> rows{
      {"stable", "bookworm", "bookworm", true},
      {"stable", "bookworm", "stable", true},
      {"oldstable", "bullseye", "bookworm", false},
      {"stable", "bookworm", "oldstable", false},
      {"stable-updates", "bookworm-updates", "bookworm-updates", true},
      {"stable-updates", "bookworm-updates", "bookworm", false},
      {"stable-security", "bookworm-security", "bookworm-security", true},
      {"oldoldstable", "buster", "buster/updates", true},
      {"oldoldstable", "stretch", "buster/updates", false},
      {"jammy", "jammy", "jammy", true},
      {"jammy-updates", "jammy", "jammy-updates", true},
      {"jammy-updates", "jammy", "jammy", false},  // a pocket of Ubuntu has the codename of the release
      {"jammy-security", "jammy", "jammy", false},
      {"jammy", "jammy", "jammy-updates", false},
      {"", "sid", "sid", true},
      {"", "sid", "bookworm", false},
      {"stable", "", "stable", true},
      {"stable", "", "testing", false},
      {"", "", "anything", true}};
  for (const Row& row : rows) {
    CAPTURE(row.suite, row.codename, row.asked);
    const Release release{.suite = row.suite, .codename = row.codename};
    const auto kind = error_kind([&] { check_suite(release, row.asked, "x"); });
    CHECK(kind == (row.taken ? std::optional<ErrorKind>() : ErrorKind::integrity));
  }
  const std::string text = error_text([] { check_suite({.suite = "a\x1b", .codename = "b"}, "c", "debian/c"); });
  CHECK(contains(text, "the Release of debian/c is that of another suite"));
  CHECK(contains(text, "asked for c"));
  CHECK(contains(text, "Codename: b"));
  CHECK_FALSE(contains(text, "\x1b"));
}

TEST_CASE("a Release may be ten seconds ahead of this machine's clock, and no more") {
  const Release release{.date = kSummer2020};
  CHECK_NOTHROW(refuse_future("Release of x", release.date, kSummer2020 + 1));
  CHECK_NOTHROW(refuse_future("Release of x", release.date, kSummer2020 - 10));
  const auto early = [&] { refuse_future("Release of debian/sid", release.date, kSummer2020 - 11); };
  CHECK(error_kind(early) == ErrorKind::integrity);
  CHECK(contains(error_text(early), "the Release of debian/sid is of the future: 2020-07-01 12:00 UTC"));
  CHECK(contains(error_text(early), "this machine's clock says 2020-07-01 11:59 UTC"));
}

TEST_CASE("a good signature gives the signed text and the signer's primary key") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  for (const std::string& key : {keys->good, keys->rsa}) {
    const std::string signed_text = keys->gpg.sign(kText, {key});
    for (const bool armor : {false, true}) {
      const std::string keyring = keys->gpg.export_keys({key}, armor);
      const Release release = verify_release(signed_text, {.keys = keyring}, "test/stable");
      CHECK(release.text == kText);
      CHECK(release.suite == "stable");
      CHECK(release.signers == std::map<std::string, std::int64_t>{{key, 0}});
    }
  }
}

TEST_CASE("a keyring of several keys verifies what any of them signed") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string blocks =
      keys->gpg.export_keys({keys->rsa}, true) + "\n" + keys->gpg.export_keys({keys->good}, true);
  for (const std::string& key : {keys->good, keys->rsa})
    CHECK(verify_release(keys->gpg.sign(kText, {key}), {.keys = blocks}, "x").signers.contains(key));
}

TEST_CASE("a Release that was changed after it was signed is refused") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string keyring = keys->gpg.export_keys({keys->good});
  std::string text = keys->gpg.sign(kText, {keys->good});
  text.replace(text.find("stable"), 6, "stabel");
  const std::string why = refusal(text, {.keys = keyring});
  CHECK(contains(why, "the signature of test/stable is bad"));
  CHECK(contains(why, "made with key " + keys->good.substr(24)));
}

TEST_CASE("a signature by a key that the keyring lacks proves nothing") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string keyring = keys->gpg.export_keys({keys->good});
  const std::string why = refusal(keys->gpg.sign(kText, {keys->stranger}), {.keys = keyring});
  CHECK(contains(why, "the signature of test/stable cannot be verified"));
  CHECK(contains(why, "made with key " + keys->stranger.substr(24) + ", which the keyring lacks"));
}

TEST_CASE("of two signatures one good one is enough, and only good ones make signers") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string text = keys->gpg.sign(kText, {keys->stranger, keys->good});
  const Release one = verify_release(text, {.keys = keys->gpg.export_keys({keys->good})}, "x");
  CHECK(one.signers == std::map<std::string, std::int64_t>{{keys->good, 0}});
  const Release both = verify_release(text, {.keys = keys->gpg.export_keys({keys->good, keys->stranger})}, "x");
  CHECK(both.signers.size() == 2);
}

TEST_CASE("a pinned key must be among the signers, whatever else the keyring holds") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string keyring = keys->gpg.export_keys({keys->good, keys->rsa});
  const std::string text = keys->gpg.sign(kText, {keys->good});
  CHECK_NOTHROW(verify_release(text, {.keys = keyring, .fingerprint = keys->good}, "x"));
  const std::string why = refusal(text, {.keys = keyring, .fingerprint = keys->rsa});
  CHECK(contains(why, "the signature of test/stable is not of the pinned key"));
  CHECK(contains(why, "pinned " + keys->rsa));
  CHECK(contains(why, "signed by " + keys->good));
}

TEST_CASE("what is no signed message, or has text before it, is refused") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string keyring = keys->gpg.export_keys({keys->good});
  const std::string text = keys->gpg.sign(kText, {keys->good});
  for (const std::string& in_release : {std::string(), kText, kText + text, "\n" + text}) {
    CAPTURE(in_release);
    CHECK(contains(refusal(in_release, {.keys = keyring}), "the file does not begin with a signed message"));
  }
  CHECK(contains(refusal(text.substr(0, text.find("-----BEGIN PGP SIGNATURE")), {.keys = keyring}),
                 "cannot be verified"));
}

TEST_CASE("text around the signed one is no part of the Release") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string forged = "SHA256:\n " + std::string(64, 'a') + " 1 main/forged\n";
  const std::string signed_text = keys->gpg.sign(kText, {keys->good});
  const TrustedKeys trusted{.keys = keys->gpg.export_keys({keys->good})};
  const std::string strangers = keys->gpg.sign(forged, {keys->stranger});
  for (const std::string& in_release : {signed_text + forged, signed_text + strangers, strangers + signed_text}) {
    try {
      const Release release = verify_release(in_release, trusted, "x");
      CHECK(release.text == kText);
      CHECK(release.files.empty());
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::integrity);  // as good
    }
  }
}

TEST_CASE("a signature over SHA-1 does not count") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string text = keys->gpg.sign(kText, {keys->rsa}, {"--digest-algo", "SHA1"});
  const std::string why = refusal(text, {.keys = keys->gpg.export_keys({keys->rsa})});
  CHECK(contains(why, "cannot be verified"));
  CHECK(contains(why, "made over a digest that can be forged (OpenPGP's hash 2)"));
}

TEST_CASE("signatures by short RSA keys and by DSA keys do not count") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::vector<std::pair<std::string, std::string>> weak{
      {"Key-Type: RSA\nKey-Length: 1024\n", "made with a key of RSA with 1024 bits, which proves nothing: "},
      {"Key-Type: DSA\nKey-Length: 1024\n", "made with a key of DSA, which proves nothing: "}};
  for (const auto& [lines, message] : weak) {
    const std::string key = keys->gpg.make_key(lines);
    const TrustedKeys trusted{.keys = keys->gpg.export_keys({key, keys->good})};
    const std::vector<std::string> hash{"--digest-algo", "SHA256"};
    CHECK(contains(refusal(keys->gpg.sign(kText, {key}, hash), trusted), message + key));
    const Release release = verify_release(keys->gpg.sign(kText, {key, keys->good}, hash), trusted, "x");
    CHECK(release.signers == std::map<std::string, std::int64_t>{{keys->good, 0}});
  }
}

TEST_CASE("a key that is expired now verifies what it signed while it was valid, and says since when") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::vector<std::string> then{"--faked-system-time", kFakedTime};
  const std::string key = keys->gpg.make_key("Key-Type: eddsa\nKey-Curve: ed25519\nExpire-Date: 10d\n", then);
  const std::string keyring = keys->gpg.export_keys({key});
  const std::string text = keys->gpg.sign(kText, {key}, then);
  CHECK(contains(refusal(text, {.keys = keyring}),
                 "made with the expired key " + key.substr(24) + ": on 2020-07-11 12:00 UTC"));
  const TrustedKeys past{.keys = keyring, .time = KeyTime::release};
  const Release release = verify_release(text, past, "x");
  CHECK(release.signers == std::map<std::string, std::int64_t>{{key, kSummer2020 + 10 * 86400}});
  std::string later = kText;
  later.replace(later.find("01 Jul"), 6, "21 Jul");
  CHECK(contains(refusal(keys->gpg.sign(later, {key}, then), past), "made with the expired key"));
}

TEST_CASE("a revoked key's signature does not count") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string key = keys->gpg.make_key("Key-Type: eddsa\nKey-Curve: ed25519\n");
  const std::string text = keys->gpg.sign(kText, {key});
  CHECK_NOTHROW(verify_release(text, {.keys = keys->gpg.export_keys({key})}, "x"));
  keys->gpg.revoke(key);
  for (const KeyTime time : {KeyTime::now, KeyTime::release})
    CHECK(contains(refusal(text, {.keys = keys->gpg.export_keys({key}), .time = time}),
                   "made with the revoked key " + key.substr(24)));
}

TEST_CASE("a signature that says itself that it is over does not count") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::vector<std::string> then{"--faked-system-time", kFakedTime};
  const std::string key = keys->gpg.make_key("Key-Type: eddsa\nKey-Curve: ed25519\nExpire-Date: 0\n", then);
  const std::string text =
      keys->gpg.sign(kText, {key}, {"--faked-system-time", kFakedTime, "--default-sig-expire", "1d"});
  CHECK(contains(refusal(text, {.keys = keys->gpg.export_keys({key})}), "and itself expired"));
}

TEST_CASE("a signed Release that cannot be read is refused by name, and an unsigned one is not read") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const TrustedKeys trusted{.keys = keys->gpg.export_keys({keys->good})};
  const std::string why = refusal(keys->gpg.sign("Origin: no date\n", {keys->good}), trusted);
  CHECK(contains(why, "a Release file without a date"));
  CHECK(contains(why, "the Release of test/stable"));
  CHECK_FALSE(contains(refusal(keys->gpg.sign("Origin: no date\n", {keys->stranger}), trusted), "without a date"));
}

TEST_CASE("keys made by gpg are found in a keyring with their kind") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string keyring = keys->gpg.export_keys({keys->good, keys->rsa});
  const auto curve = find_key(keyring, keys->good);
  REQUIRE(curve);
  CHECK(curve->algorithm == 22);
  CHECK(curve->bits == 0);
  const auto rsa = find_key(keyring, keys->rsa);
  REQUIRE(rsa);
  CHECK(rsa->algorithm == 1);
  CHECK(rsa->bits == 2048);
  CHECK_FALSE(find_key(keyring, keys->stranger));
  CHECK(without_armor(keys->gpg.export_keys({keys->rsa}, true), "x") == keys->gpg.export_keys({keys->rsa}));
}

namespace {

constexpr const char* kPackages = "main/binary-amd64/Packages";

std::string index_of(const std::string& name) {
  return "Package: " + name + "\nVersion: 1\nArchitecture: amd64\nFilename: pool/" + name +
         "\nSize: 3\nSHA256: " + sha256(name).hex() + "\n\n";
}

/// Mirrors with one signed suite, and a source that names them.
class Archive {
 public:
  explicit Archive(const Keys& keys) : keys_(keys) {
    source.keyring = test.folder() / "keyring";
    atomic_write(source.keyring, keys.gpg.export_keys({keys.good}));
  }

  /// The Release, signed with the good key; fields are added to those that it always has.
  [[nodiscard]] std::string in_release(const std::string& fields, const std::string& packages = index_of("a")) const {
    return keys_.gpg.sign("Suite: stable\n" + fields + "SHA256:\n " + sha256(packages).hex() + " " +
                              std::to_string(packages.size()) + " " + kPackages + "\n",
                          {keys_.good});
  }
  void publish(const std::string& base, const std::string& text, const std::string& packages = index_of("a")) {
    web.put(base + "/dists/stable/InRelease", text);
    web.put(base + "/dists/stable/" + kPackages, packages);
  }
  [[nodiscard]] std::vector<VerifiedSource> fetch(const Lock* previous = nullptr, bool allow_older = false) {
    return fetch_indexes({source}, {"amd64"}, previous, allow_older, tools);
  }
  /// The integrity Error's text.
  [[nodiscard]] std::string refusal(const Lock* previous = nullptr) {
    CHECK(error_kind([&] { (void)fetch(previous); }) == ErrorKind::integrity);
    return error_text([&] { (void)fetch(previous); });
  }

  TestStore test{};
  FakeFetcher web{test.store};
  ToolBox tools{test.store, web, test.reporter};
  Source source{.name = "test", .suite = "stable", .components = {"main"}, .bases = {"https://a", "https://b"}};

 private:
  const Keys& keys_;
};

const std::string kDate = "Date: Wed, 01 Jul 2020 12:00:00 UTC\n";

}  // namespace

TEST_CASE("a suite's package lists are fetched as its signed Release names them") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  Archive archive(*keys);
  const std::string text = archive.in_release(kDate);
  archive.publish("https://a", text);
  const auto verified = archive.fetch();
  REQUIRE(verified.size() == 1);
  CHECK(verified[0].signer == keys->good);
  CHECK(verified[0].release.date == kSummer2020);
  CHECK(archive.test.store.read_blob(verified[0].in_release) == text);
  REQUIRE(verified[0].packages.size() == 1);
  CHECK(verified[0].packages[0].component == "main");
  CHECK(verified[0].packages[0].arch == "amd64");
  CHECK(archive.test.store.read_blob(verified[0].packages[0].digest) == index_of("a"));
  const std::size_t asked = archive.web.asked().size();
  CHECK(archive.fetch().at(0).packages.at(0).digest == sha256(index_of("a")));
  CHECK(archive.web.asked().size() == asked + 1);  // the Release only: the list is in the store
}

TEST_CASE("a mirror whose Release is not signed well is passed over for the next one") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  const std::string strange = keys->gpg.sign("Suite: stable\n" + kDate, {keys->stranger});
  const std::string other = keys->gpg.sign("Suite: testing\n" + kDate, {keys->good});
  for (const std::string& bad : {strange, other, std::string("<html>")}) {
    Archive archive(*keys);
    archive.publish("https://a", bad);
    CHECK(contains(archive.refusal(), "from https://a/dists/stable/InRelease"));
    archive.publish("https://b", archive.in_release(kDate));
    CHECK(archive.fetch().size() == 1);
  }
}

TEST_CASE("package lists that are not those of the signed Release are refused") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  Archive archive(*keys);
  archive.publish("https://a", archive.in_release(kDate), index_of("forged"));
  CHECK(contains(archive.refusal(), "test/stable main/binary-amd64/Packages has other bytes"));
  archive.source.components = {"contrib"};
  CHECK(error_kind([&] { (void)archive.fetch(); }) == ErrorKind::failed);
  CHECK(contains(error_text([&] { (void)archive.fetch(); }), "test/stable has no contrib/binary-amd64/Packages"));
}

TEST_CASE("lists are asked for by their hash where the archive keeps them so") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  Archive archive(*keys);
  archive.publish("https://a", archive.in_release(kDate + "Acquire-By-Hash: yes\n"),
                  index_of("newer than the Release"));
  archive.web.put("https://a/dists/stable/main/binary-amd64/by-hash/SHA256/" + sha256(index_of("a")).hex(),
                  index_of("a"));
  CHECK(archive.fetch().at(0).packages.at(0).digest == sha256(index_of("a")));
}

TEST_CASE("a Release that is over, of the future or older than the locked one is refused") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  Archive archive(*keys);
  archive.publish("https://a", archive.in_release(kDate + "Valid-Until: Wed, 08 Jul 2020 12:00:00 UTC\n"));
  CHECK(contains(archive.refusal(), "the Release of test/stable expired on 2020-07-08 12:00 UTC"));
  archive.source.check_valid_until = false;
  CHECK(archive.fetch().size() == 1);
  Lock previous;
  previous.repositories = {{.name = "test", .suite = "stable", .date = kSummer2020}};
  CHECK(archive.fetch(&previous).size() == 1);
  previous.repositories[0].date += 60;
  CHECK(contains(archive.refusal(&previous), "the Release of test/stable is older than the locked one"));
  CHECK(contains(archive.refusal(&previous), "offered: 2020-07-01 12:00 UTC"));
  CHECK(archive.fetch(&previous, true).size() == 1);
  archive.publish("https://a", archive.in_release("Date: Wed, 01 Jul 2122 12:00:00 UTC\n"));
  CHECK(contains(archive.refusal(), "the Release of test/stable is of the future"));
}

TEST_CASE("a suite that nobody has is an error with all who were asked, unless it is optional") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  Archive archive(*keys);
  archive.source.suite = "bookwrom";
  const std::string text = error_text([&] { (void)archive.fetch(); });
  CHECK(contains(text, "no mirror has the suite 'bookwrom' of test"));
  CHECK(contains(text, "asked https://a/dists/bookwrom/InRelease: not found"));
  CHECK(contains(text, "asked https://b/dists/bookwrom/InRelease: not found"));
  CHECK(contains(text, "did you mean 'bookworm'?"));
  archive.source.optional = true;
  CHECK(archive.fetch().empty());
}

TEST_CASE("an archive without suites has its files beside its Release, and any name for itself") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  Archive archive(*keys);
  const std::string packages = index_of("flat");
  archive.source.suite = "./";
  archive.web.put("https://a/InRelease",
                  keys->gpg.sign("Suite: whatever\n" + kDate + "SHA256:\n " + sha256(packages).hex() + " " +
                                     std::to_string(packages.size()) + " Packages\n",
                                 {keys->good}));
  archive.web.put("https://a/Packages", packages);
  CHECK(archive.fetch().at(0).packages.at(0).digest == sha256(packages));
  CHECK(suite_url({.suite = "deep/er/"}, "https://a", "Packages") == "https://a/deep/er/Packages");
  CHECK(suite_url({.suite = "buster/updates"}, "https://a", "Release") == "https://a/dists/buster/updates/Release");
}

TEST_CASE("locked packages are proved by the signed index that the lock names") {
  const Keys* keys = shared_keys();
  if (keys == nullptr) return;
  Archive archive(*keys);
  const std::string text = archive.in_release(kDate);
  archive.publish("https://a", text);
  Manifest manifest;
  manifest.base.distro = "debian";
  manifest.base.release = "bookworm";
  manifest.repositories = {
      {.name = "extra", .url = "https://a", .suite = "stable", .components = {"main"}, .key = "key"}};
  manifest.contents["key"] = archive.source.keyring;
  Lock lock;
  lock.repositories = {
      {.name = "extra", .suite = "stable", .date = kSummer2020, .index = sha256(text), .signer = keys->good}};
  lock.layers = {{"p",
                  {{.name = "a", .version = "1", .arch = "amd64", .sha256 = sha256("a"), .repository = "extra/stable"},
                   {.name = "a", .version = "1", .arch = "amd64", .sha256 = sha256("b"), .repository = "extra/stable"},
                   {.name = "own", .version = "1", .arch = "amd64", .repository = "file"}}}};
  const Distro& distro = distro_of("debian");
  const auto prove = [&] { return distro.prove_packages(manifest, lock, {}, {}, archive.tools); };
  const std::vector<IndexProof> proofs = prove();
  REQUIRE(proofs.size() == 1);
  CHECK(proofs[0].repository == "extra/stable");
  CHECK(proofs[0].unknown.empty());
  CHECK(proofs[0].signer == keys->good);
  CHECK(proofs[0].date == kSummer2020);
  CHECK(proofs[0].key_expired == 0);
  CHECK(proofs[0].packages == 2);
  CHECK(proofs[0].found == 1);

  lock.repositories[0].signer = keys->rsa;
  CHECK(error_kind([&] { (void)prove(); }) == ErrorKind::integrity);
  CHECK(contains(error_text([&] { (void)prove(); }), "is signed by " + keys->good + ", the lock says " + keys->rsa));
  lock.repositories[0].index = sha256("an index that is gone");
  archive.web.put("https://a/dists/stable/InRelease", "moved on");
  CHECK(contains(prove().at(0).unknown, "no reachable server still has the signed index"));
  lock.repositories[0].name = "unheard-of";
  CHECK(prove().at(0).unknown == "the manifest names no such source");
}
