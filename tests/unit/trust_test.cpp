// SPDX-License-Identifier: MIT
#include <filesystem>

#include "base/dates.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "compare/causes.hpp"
#include "compare/image_diff.hpp"
#include "evidence/envelope.hpp"
#include "evidence/policy.hpp"
#include "message/keccak.hpp"
#include "message/signature.hpp"
#include "message/store_message.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

std::string keccak_hex(std::string_view text) {
  const auto digest = keccak256(text);
  return to_hex({digest.data(), digest.size()});
}

// A public message, signed by an Ethereum key.
constexpr const char* kContent =
    R"({\"address\":\"0x238224C744F4b90b4494516e074D2676ECfC6803\",\"time\":1761047957.7483068,\"item_type\":\"ipfs\",\"item_hash\":\"QmYULJoNGPDmoRq4WNWTDTUvJGJv1hosox8H6vVd1kCsY8\"})";
constexpr const char* kSignature =
    "0x9c87f5d659b9165be7cbd4b9f0bd5df5c66b9bb9a384a0a33b1277428be21244595a0731697035c4b085064cd3fc088bc5b3cd"
    "deb22159"
    "e7f462e6e5b5e7e8181c";

std::string message(const std::string& content = kContent, const std::string& signature = kSignature,
                    const std::string& sender = "0x238224C744F4b90b4494516e074D2676ECfC6803") {
  return R"({"message":{"sender":")" + sender +
         R"(","chain":"ETH","type":"STORE","item_type":"inline","channel":"x","time":1.5,"item_hash":"afe106f1fd70b6b806e0452cc2f9485e518143581ffd046ae19fc64af7b6bbaa","item_content":")" +
         content + R"(","signature":")" + signature + R"("}})";
}

ErrorKind kind_of(const std::string& text) {
  try {
    (void)parse_store_message("m.json", text);
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::bug;
}

}  // namespace

TEST_CASE("Keccak-256 is Ethereum's, also across the block size") {
  CHECK(keccak_hex("") == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
  CHECK(keccak_hex("abc") == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
  CHECK(keccak_hex(std::string(135, 'a')) ==
        "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446");
  CHECK(keccak_hex(std::string(136, 'a')) ==
        "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e");
}

TEST_CASE("a message is believed when hash and signature are the sender's") {
  const StoreMessage good = parse_store_message("m.json", message());
  CHECK(good.file_hash == "QmYULJoNGPDmoRq4WNWTDTUvJGJv1hosox8H6vVd1kCsY8");
  CHECK(good.message.unchecked.empty());
  CHECK(good.message.speaks_for_himself());
  std::string other = kContent;
  other.back() = ' ';
  CHECK(kind_of(message(std::string(kContent) + " ")) == ErrorKind::integrity);
  std::string flipped = kSignature;
  flipped[10] = flipped[10] == '0' ? '1' : '0';
  CHECK(kind_of(message(kContent, flipped)) == ErrorKind::integrity);
  CHECK(kind_of(message(kContent, "0x12")) == ErrorKind::integrity);
  CHECK(kind_of(message(kContent, kSignature, "0x0000000000000000000000000000000000000000")) ==
        ErrorKind::integrity);
  CHECK(kind_of("{}") == ErrorKind::failed);
  CHECK(kind_of("not json") == ErrorKind::failed);
}

TEST_CASE("signatures of Solana are checked, those of unknown chains are not called good") {
  const std::string sender = "5SwCeHbZ9oY3556YFBEhPTHyy9t4yse26v7MUyGm2bHS";
  const std::string text =
      "SOL\n" + sender + "\nPOST\na5498c4c81d0bec9ab7c7fd6a78228eb6ac530ea387ae2878c64d376769dbb79";
  const std::string signature =
      R"({"publicKey":"5SwCeHbZ9oY3556YFBEhPTHyy9t4yse26v7MUyGm2bHS","signature":"5HH5Z9jpWMicA8iGYnucQmDhGszvxmz76L14nDyRYTH7QrjQXFh7C1p7BG62UfpDbRfhhzGSESGX5dw6ef25V3GT"})";
  CHECK(check_signature_of("SOL", sender, text, signature) == SignatureCheck::good);
  CHECK(check_signature_of("SOL", sender, text + "x", signature) == SignatureCheck::bad);
  CHECK(check_signature_of("SOL", sender, text, "{}") == SignatureCheck::bad);
  CHECK(check_signature_of("SOL", sender, text, "[1]") == SignatureCheck::bad);
  CHECK(check_signature_of("TEZOS", "tz1", text, "x") == SignatureCheck::unknown_chain);
}

TEST_CASE("an envelope is signed over its payload's type and length, and by no other key") {
  const PrivateKey key = generate_key();
  const PrivateKey other = generate_key();
  const std::string text = sign_envelope("{\"a\":1}", key);
  CHECK(text == sign_envelope("{\"a\":1}", key));
  Envelope envelope = parse_envelope("e", text);
  CHECK(envelope.payload == "{\"a\":1}");
  CHECK(envelope.signatures.at(0).key_id == key.public_key().id());
  CHECK(is_signed_by(key.public_key(), envelope));
  CHECK_FALSE(is_signed_by(other.public_key(), envelope));
  envelope.payload += " ";
  CHECK_FALSE(is_signed_by(key.public_key(), envelope));
  for (const char* bad : {"", "[]", "{}", R"({"payloadType":"application/vnd.in-toto+json"})",
                          R"({"payloadType":"text/plain","payload":"","signatures":[]})"})
    CHECK_THROWS_AS(parse_envelope("e", bad), Error);
}

TEST_CASE("keys go through PEM and back, and nothing else is taken for one") {
  const TempDir temp(std::filesystem::temp_directory_path());
  const PrivateKey key = generate_key();
  atomic_write(temp.path() / "k", key.pem(), 0600);
  CHECK(read_private_key(temp.path() / "k").public_key() == key.public_key());
  CHECK(parse_public_key("k", public_pem(key.public_key())) == key.public_key());
  CHECK_THROWS_AS(parse_public_key("k", key.pem()), Error);
  CHECK_THROWS_AS(parse_public_key("k", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
                  Error);
  CHECK_THROWS_AS(parse_public_key("k", "-----END PUBLIC KEY----------BEGIN PUBLIC KEY-----"), Error);
}

TEST_CASE("a policy names each key once and asks for no more than there are") {
  const TempDir temp(std::filesystem::temp_directory_path());
  const PrivateKey a = generate_key();
  const PrivateKey b = generate_key();
  atomic_write(temp.path() / "a.pub", public_pem(a.public_key()));
  const auto policy = [&](const std::string& text) {
    atomic_write(temp.path() / "p.toml", text);
    return read_policy(temp.path() / "p.toml");
  };
  const std::string key_a = "[[key]]\nname = \"a\"\nfile = \"a.pub\"\n";
  const std::string key_b =
      "[[key]]\nname = \"b\"\npublic_key = \"\"\"" + public_pem(b.public_key()) + "\"\"\"\n";
  const Policy good = policy("policy = 1\nthreshold = 2\n" + key_a + key_b);
  CHECK(good.threshold == 2);
  const auto signers = signers_of(good, parse_envelope("e", sign_envelope("x", b)));
  REQUIRE(signers.size() == 1);
  CHECK(signers[0]->name == "b");
  CHECK_THROWS_AS(policy("policy = 1\nthreshold = 2\n" + key_a), Error);
  CHECK_THROWS_AS(policy("policy = 1\nthreshold = 0\n" + key_a), Error);
  CHECK_THROWS_AS(policy("policy = 2\nthreshold = 1\n" + key_a), Error);
  CHECK_THROWS_AS(policy("policy = 1\nthreshold = 2\n" + key_a + "[[key]]\nname = \"c\"\nfile = \"a.pub\"\n"),
                  Error);
  CHECK_THROWS_AS(policy("policy = 1\nthreshold = 1\nextra = 1\n" + key_a), Error);
  CHECK_THROWS_AS(policy("policy = 1\nthreshold = 1\n[[key]]\nname = \"a\"\nfile = \"none.pub\"\n"), Error);
}

TEST_CASE("a policy's keys count on their days, and never once revoked") {
  const TempDir temp(std::filesystem::temp_directory_path());
  const std::string pem = public_pem(generate_key().public_key());
  const auto key = [&](const std::string& more) {
    atomic_write(temp.path() / "p.toml", "policy = 1\nthreshold = 1\n[[key]]\nname = \"a\"\npublic_key = \"\"\"" + pem +
                                             "\"\"\"\n" + more);
    return read_policy(temp.path() / "p.toml").keys.at(0);
  };
  const std::int64_t first = *parse_day("2026-01-01");
  const std::int64_t last = *parse_day("2026-12-31");
  const Policy::Key dated = key("valid_from = \"2026-01-01\"\nvalid_until = \"2026-12-31\"\n");
  CHECK(why_not_valid(dated, first - 1) == "this key is valid from 2026-01-01 on");
  CHECK(why_not_valid(dated, first).empty());
  CHECK(why_not_valid(dated, last + kSecondsPerDay - 1).empty());
  CHECK(why_not_valid(dated, last + kSecondsPerDay) == "this key was valid until 2026-12-31");
  CHECK_FALSE(why_not_valid(key("revoked = true\n"), first).empty());
  CHECK(why_not_valid(key("revoked = false\n"), first).empty());
  CHECK(why_not_valid(key(""), 0).empty());
  for (const char* bad : {"valid_from = \"soon\"\n", "valid_until = \"2026-13-01\"\n", "valid_until = 5\n", "revoked = \"yes\"\n",
                          "valid_from = \"2026-02-01\"\nvalid_until = \"2026-01-01\"\n"})
    CHECK_THROWS_AS(key(bad), Error);
}

TEST_CASE("known causes are recognized, and nothing is made up") {
  struct Case {
    const char* path;
    std::string a;
    std::string b;
    const char* wanted;
  };
  const std::string gzip_a("\x1f\x8b\x08\x00\x01\x02\x03\x04zzzz", 12);
  const std::string gzip_b("\x1f\x8b\x08\x00\x05\x06\x07\x08zzzz", 12);
  const std::string pyc_a("\x6f\x0d\x0d\x0a\x00\x00\x00\x00\x01\x01\x01\x01\x02\x02\x02\x02zz\x00", 19);
  std::string pyc_b = pyc_a;
  pyc_b[9] = '\x05';
  for (const Case& each : {Case{"srv/x", "built 2026-01-01 10:00\n", "built 2027-02-03 11:30\n", "a date"},
                           Case{"srv/x", "Mon Jan 1\n", "Tue Feb 2\n", "a date"},
                           Case{"srv/x", "Sun Nov 29 04:40\n", "Mon Jan  3 04:40\n", "a date"},
                           Case{"srv/x", "b\na\nc\n", "a\nb\nc\n", "order"},
                           Case{"srv/x", "id e58ff68e-a1d7-4973-a0e5-b0d3c9af75ae\n",
                                "id a6454fba-eb6a-4485-9f27-8af0a54958f6\n", "random identifier"},
                           Case{"srv/x.gz", gzip_a, gzip_b, "gzip header"},
                           Case{"usr/x.pyc", pyc_a, pyc_b, "time of the source"},
                           Case{"etc/machine-id", "a", "b", "identifier of the machine"},
                           Case{"var/log/dpkg.log", "a", "b", "log"}}) {
    CAPTURE(each.path, each.wanted);
    CHECK(likely_cause(each.path, &each.a, &each.b).find(each.wanted) != std::string::npos);
  }
  const std::string one = "one thing\n";
  const std::string another = "quite another\n";
  CHECK(likely_cause("srv/x", &one, &another).empty());
  CHECK(likely_cause("srv/x", nullptr, &another).empty());
}

TEST_CASE("listings are compared path by path, with everything that differs named") {
  const Listing before{{.path = "", .type = EntryType::directory, .mode = 0755},
                       {.path = "a", .mode = 0644, .size = 1, .content = sha256("1")},
                       {.path = "b", .mode = 0644, .size = 1, .content = sha256("1")},
                       {.path = "c", .type = EntryType::symlink, .mode = 0777, .link_target = "a"}};
  const Listing after{{.path = "", .type = EntryType::directory, .mode = 0755},
                      {.path = "b", .mode = 0755, .uid = 5, .size = 1, .content = sha256("2")},
                      {.path = "c", .type = EntryType::symlink, .mode = 0777, .link_target = "b"},
                      {.path = "d", .mode = 0644}};
  const std::vector<PathChange> changes = compare_listings(before, after);
  REQUIRE(changes.size() == 4);
  CHECK(changes[0].kind == PathChange::Kind::removed);
  CHECK(changes[1].what == std::vector<std::string>{"content", "mode 0644 → 0755", "owner 0:0 → 5:0"});
  CHECK(changes[2].what == std::vector<std::string>{"link a → b"});
  CHECK(changes[3].kind == PathChange::Kind::added);
  CHECK(compare_listings(before, before).empty());
}
