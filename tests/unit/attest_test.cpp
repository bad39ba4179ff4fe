// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "evidence/envelope.hpp"
#include "evidence/key.hpp"
#include "evidence/policy.hpp"
#include "evidence/statement.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

using Json = nlohmann::json;

Receipt receipt() {
  Receipt receipt{.name = "app",
                  .version = "1.2",
                  .lock = sha256("lock"),
                  .epoch = 1,
                  .source_date_epoch = 1700000000,
                  .format = "squashfs",
                  .tools = {"libzstd 1.5.4"}};
  receipt.image = {.sha256 = sha256("image"), .size = 4096, .cid_v0 = "Qmv0", .cid_v1 = "bafyv1"};
  receipt.image.tree.v2 = sha256("tree");
  return receipt;
}

Json statement_json() {
  return Json::parse(statement_text(receipt(), {}));
}

Statement parse(const Json& json) {
  return parse_statement("s.json", json.dump());
}
std::string why_not(const Json& json) {
  CHECK(error_kind([&] { (void)parse(json); }) == ErrorKind::failed);
  return error_text([&] { (void)parse(json); });
}

std::array<std::uint8_t, 32> seed_of(std::uint8_t value) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(value);
  return seed;
}

/// Bytes from hex, for vectors of a specification.
std::string bytes_of(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

}  // namespace

TEST_CASE("a statement says what was built from which lock, and reads back") {
  const Statement statement = parse_statement("s", statement_text(receipt(), {}));
  CHECK(statement.name == "app-1.2.squashfs");
  CHECK(statement.image == sha256("image"));
  CHECK(statement.lock == sha256("lock"));
  CHECK(statement.tree == TreeDigest{.v2 = sha256("tree")});
  CHECK(statement.cid_v0 == "Qmv0");
  CHECK(statement.cid_v1 == "bafyv1");
}

TEST_CASE("a statement is an in-toto statement with SLSA provenance, and has no time of its own") {
  const Json json = statement_json();
  CHECK(json.at("_type") == "https://in-toto.io/Statement/v1");
  CHECK(json.at("predicateType") == "https://slsa.dev/provenance/v1");
  CHECK(json.at("subject") == Json::array({{{"name", "app-1.2.squashfs"},
                                            {"digest", {{"sha256", sha256("image").hex()}}},
                                            {"annotations", {{"cid_v0", "Qmv0"}, {"cid_v1", "bafyv1"}}}}}));
  const Json& definition = json.at("predicate").at("buildDefinition");
  CHECK(definition.at("buildType") == "urn:alephc:build:1");
  CHECK(definition.at("externalParameters").at("format") == "squashfs");
  CHECK(definition.at("internalParameters") ==
        Json::parse(R"({"epoch":1,"source_date_epoch":1700000000,"tools":["libzstd 1.5.4"]})"));
  const Json& details = json.at("predicate").at("runDetails");
  CHECK(details.at("byproducts").at(0).at("digest") == Json{{"alephcTree2", sha256("tree").hex()}});
  CHECK_FALSE(details.contains("metadata"));  // where SLSA has its times
  CHECK(statement_text(receipt(), {}) == statement_text(receipt(), {}));
}

TEST_CASE("a statement names everything that a lock brings in, each with its hash") {
  Lock lock;
  lock.repositories = {{.name = "debian", .suite = "bookworm", .index = sha256("1")}};
  lock.layers = {{.packages = {{.name = "bash", .version = "5.2", .arch = "amd64", .sha256 = sha256("2")}}}};
  lock.wheels = {{.name = "flask", .version = "3", .file = "flask-3.whl", .sha256 = sha256("3")}};
  lock.modules = {{.path = "node_modules/a", .name = "a", .version = "1", .sha256 = sha256("4")}};
  lock.archives = {{.name = "tool", .sha256 = sha256("5")}};
  lock.guest_files = {{.name = "init", .sha256 = sha256("6")}};
  lock.inputs = {{.path = "src/app.py", .kind = "file", .sha256 = sha256("7")}};
  const Json json = Json::parse(statement_text(receipt(), lock));
  std::vector<std::pair<std::string, std::string>> found;
  for (const Json& each : json.at("predicate").at("buildDefinition").at("resolvedDependencies"))
    found.emplace_back(each.at("uri"), each.at("digest").at("sha256"));
  CHECK(found == std::vector<std::pair<std::string, std::string>>{
                     {"urn:alephc:index:debian:bookworm", sha256("1").hex()},
                     {"urn:alephc:package:bash:5.2:amd64", sha256("2").hex()},
                     {"urn:alephc:python:flask-3.whl", sha256("3").hex()},
                     {"urn:alephc:npm:a:1", sha256("4").hex()},
                     {"urn:alephc:archive:tool", sha256("5").hex()},
                     {"urn:alephc:init:init", sha256("6").hex()},
                     {"urn:alephc:input:src/app.py", sha256("7").hex()}});
}

TEST_CASE("a disk's statement names what is outside, and a tree of version 1 keeps its name") {
  Receipt disk = receipt();
  disk.image.tree.outside = sha256("outside");
  CHECK(parse_statement("s", statement_text(disk, {})).tree == disk.image.tree);
  Receipt old = receipt();
  old.image.tree = {.v1 = sha256("old")};
  const Json json = Json::parse(statement_text(old, {}));
  CHECK(json.at("predicate").at("runDetails").at("byproducts").at(0).at("digest") ==
        Json{{"alephcTree", sha256("old").hex()}});
  CHECK(parse(json).tree == old.image.tree);
}

TEST_CASE("a statement of an older alephc has a tree of version 1 and no CIDs") {
  Json json = statement_json();
  json["subject"][0].erase("annotations");
  json["predicate"]["runDetails"]["byproducts"][0]["digest"] = {{"alephcTree", sha256("old").hex()}};
  const Statement statement = parse(json);
  CHECK(statement.tree == TreeDigest{.v1 = sha256("old")});
  CHECK(statement.cid_v0.empty());
  CHECK(statement.cid_v1.empty());
  CHECK(statement.image == sha256("image"));
}

TEST_CASE("where a statement names a tree of both versions, the second counts") {
  Json json = statement_json();
  json["predicate"]["runDetails"]["byproducts"][0]["digest"]["alephcTree"] = sha256("old").hex();
  CHECK(parse(json).tree == TreeDigest{.v2 = sha256("tree")});
}

TEST_CASE("a statement about something else, or without a digest, is refused by name") {
  const std::string other = "s.json is not a statement about a build of alephc\n";
  const auto changed = [](const std::string& pointer, const Json& value) {
    Json json = statement_json();
    json[Json::json_pointer(pointer)] = value;
    return why_not(json);
  };
  CHECK(changed("/_type", "https://in-toto.io/Statement/v0.1") == other);
  CHECK(changed("/predicateType", "https://slsa.dev/provenance/v0.2") == other);
  CHECK(changed("/predicate/buildDefinition/buildType", "urn:other") == other);
  CHECK(changed("/subject", Json::array()) == "s.json is not a statement about one image\n");
  CHECK(changed("/subject", "text") == other);
  CHECK(changed("/subject/0/name", 5) == other);
  CHECK(changed("/subject/0/annotations", "text") == other);
  CHECK(changed("/subject/0/annotations/cid_v0", 5) == other);
  CHECK(changed("/predicate/runDetails/byproducts", Json::array()) == other);
  CHECK(changed("/subject/0/digest/sha256", "none") == "s.json: the image is not a digest\n");
  CHECK(changed("/predicate/buildDefinition/externalParameters/lock/sha256", "x") ==
        "s.json: the lock is not a digest\n");
  const std::string digests = "/predicate/runDetails/byproducts/0/digest";
  CHECK(changed(digests, Json::object()) == "s.json: the tree is not a digest\n");
  CHECK(changed(digests + "/alephcTree2", "2:" + sha256("x").hex()) == "s.json: the tree is not a digest\n");
  CHECK(changed(digests + "/alephcOutside", "x") == "s.json: the tree is not a digest\n");
  for (const char* text : {"", "[]", "{}", "null", "{\"_type\":1}"}) {
    CAPTURE(text);
    CHECK(error_text([&] { (void)parse_statement("s.json", text); }) == other);
  }
}

TEST_CASE("signatures are those of RFC 8032") {
  std::array<std::uint8_t, 32> seed{};
  const std::string bytes = bytes_of("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  std::copy(bytes.begin(), bytes.end(), seed.begin());
  const PrivateKey key(seed);
  CHECK(to_hex(key.public_key().bytes) == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const std::string signature = key.sign("\x72");
  CHECK(signature == bytes_of("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                              "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"));
  CHECK(is_signed_by(key.public_key(), "\x72", signature));
  CHECK_FALSE(is_signed_by(key.public_key(), "\x73", signature));
  CHECK_FALSE(is_signed_by(key.public_key(), "\x72", signature.substr(0, 63)));
  CHECK_FALSE(is_signed_by(key.public_key(), "\x72", signature + "x"));
  CHECK_FALSE(is_signed_by(key.public_key(), "\x72", ""));
}

TEST_CASE("an envelope has the payload in base64 and signs what DSSE says") {
  const PrivateKey key(seed_of(7));
  const Json json = Json::parse(sign_envelope("hello", key));
  CHECK(json.at("payloadType") == "application/vnd.in-toto+json");
  CHECK(json.at("payload") == "aGVsbG8=");
  CHECK(json.at("signatures").size() == 1);
  CHECK(json.at("signatures").at(0).at("keyid") == key.public_key().id());
  const std::string signature = from_base64(json.at("signatures").at(0).at("sig").get<std::string>());
  CHECK(is_signed_by(key.public_key(), "DSSEv1 28 application/vnd.in-toto+json 5 hello", signature));
}

TEST_CASE("of several signatures of an envelope any counts, with or without the name of a key") {
  const PrivateKey one(seed_of(1));
  const PrivateKey two(seed_of(2));
  Json json = Json::parse(sign_envelope("text", one));
  Json second = Json::parse(sign_envelope("text", two)).at("signatures").at(0);
  second.erase("keyid");
  json["signatures"].push_back(second);
  const Envelope envelope = parse_envelope("e", json.dump());
  REQUIRE(envelope.signatures.size() == 2);
  CHECK(envelope.signatures[1].key_id.empty());
  CHECK(is_signed_by(one.public_key(), envelope));
  CHECK(is_signed_by(two.public_key(), envelope));
  CHECK_FALSE(is_signed_by(PrivateKey(seed_of(3)).public_key(), envelope));
  const Policy policy{.threshold = 1, .keys = {{.name = "c", .key = PrivateKey(seed_of(3)).public_key()},
                                               {.name = "b", .key = two.public_key()},
                                               {.name = "a", .key = one.public_key(), .revoked = true}}};
  std::vector<std::string> names;
  for (const Policy::Key* key : signers_of(policy, envelope)) names.push_back(key->name);
  CHECK(names == std::vector<std::string>{"b", "a"});
}

TEST_CASE("a name of a key proves nothing: another key's signature under it does not count") {
  const PrivateKey honest(seed_of(1));
  Json json = Json::parse(sign_envelope("text", PrivateKey(seed_of(2))));
  json["signatures"][0]["keyid"] = honest.public_key().id();
  CHECK_FALSE(is_signed_by(honest.public_key(), parse_envelope("e", json.dump())));
}

TEST_CASE("what is no envelope is refused by its file's name") {
  const Json good = Json::parse(sign_envelope("text", PrivateKey(seed_of(1))));
  const auto refused = [](const Json& json) {
    CHECK(error_kind([&] { (void)parse_envelope("e.json", json.dump()); }) == ErrorKind::failed);
    return error_text([&] { (void)parse_envelope("e.json", json.dump()); });
  };
  for (const auto& [pointer, value] : std::vector<std::pair<std::string, Json>>{
           {"/payloadType", "application/json"}, {"/payload", 5}, {"/signatures", {{"a", 1}}}, {"/signatures", {1}},
           {"/signatures/0", Json::object()}, {"/signatures/0/sig", 1}, {"/signatures/0/keyid", 1}}) {
    CAPTURE(pointer);
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    CHECK(refused(json).starts_with("e.json is not a signed in-toto statement"));
  }
  for (const char* key : {"payloadType", "payload", "signatures"}) {
    Json json = good;
    json.erase(key);
    CHECK(refused(json).starts_with("e.json is not a signed in-toto statement"));
  }
}

TEST_CASE("base64 is that of RFC 4648, padded, and nothing else") {
  for (const auto& [text, encoded] : std::vector<std::pair<std::string, std::string>>{
           {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}}) {
    CHECK(to_base64(text) == encoded);
    CHECK(from_base64(encoded) == text);
  }
  for (const char* bad : {"", "Zg", "Zg=", "Zg===", "Zm9v\n", " Zm9v", "-_8=", "Zm9*", "Zh=="}) {
    CAPTURE(bad);
    CHECK(from_base64(bad).empty());
  }
}

TEST_CASE("a private key that others can read is not used, and one in another form is none") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  const std::filesystem::path file = temp.path() / "key";
  const PrivateKey key(seed_of(9));
  for (const mode_t mode : {0640U, 0604U, 0660U, 0610U}) {
    atomic_write(file, key.pem(), mode);
    CHECK(error_kind([&] { (void)read_private_key(file); }) == ErrorKind::host);
    CHECK(error_text([&] { (void)read_private_key(file); }).find("chmod 600 " + file.string()) != std::string::npos);
  }
  atomic_write(file, "# a comment\n" + key.pem(), 0400);
  CHECK(read_private_key(file).public_key() == key.public_key());
  const std::string body = key.pem().substr(28, 64);
  for (const std::string& text : {std::string(), public_pem(key.public_key()), key.pem().substr(0, 60), body}) {
    CAPTURE(text);
    atomic_write(file, text, 0600);
    CHECK(error_kind([&] { (void)read_private_key(file); }) == ErrorKind::failed);
    CHECK(error_text([&] { (void)read_private_key(file); })
              .starts_with(file.string() + " holds no Ed25519 private key in PEM form\n"));
  }
  CHECK(error_kind([&] { (void)read_private_key(temp.path() / "none"); }).has_value());
}

TEST_CASE("a key is known by the hash of its DER form") {
  const PublicKey key = PrivateKey(seed_of(5)).public_key();
  const std::string der = bytes_of("302a300506032b6570032100") + std::string(key.bytes.begin(), key.bytes.end());
  CHECK(key.id() == sha256(der).hex());
  CHECK(public_pem(key) == "-----BEGIN PUBLIC KEY-----\n" + to_base64(der) + "\n-----END PUBLIC KEY-----\n");
  const std::string windows = "-----BEGIN PUBLIC KEY-----\r\n" + to_base64(der) + "\r\n-----END PUBLIC KEY-----\r\n";
  CHECK(parse_public_key("k", windows) == key);
}

TEST_CASE("a policy shows all of its problems at once") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  atomic_write(temp.path() / "p.toml",
               "policy = 1\nthreshold = 9\ncolour = \"red\"\n"
               "[[key]]\nfile = \"a\"\n"
               "[[key]]\nname = \"both\"\nfile = \"a\"\npublic_key = \"b\"\n"
               "[[key]]\nname = \"none\"\n"
               "[[key]]\nname = \"lost\"\nfile = \"lost.pub\"\nsize = 1\n");
  const std::string text = error_text([&] { (void)read_policy(temp.path() / "p.toml"); });
  for (const char* part : {"unknown key 'colour'", "a key needs a name",
                           "the key 'both' needs one of file and public_key",
                           "the key 'none' needs one of file and public_key", "lost.pub", "unknown key 'size'",
                           "'threshold' must be between 1 and the number of keys"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("a key under two names would count double, and so would two keys under one") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  const auto policy = [&](const std::string& first, std::uint8_t a, const std::string& second, std::uint8_t b) {
    const auto part = [](const std::string& name, std::uint8_t seed) {
      const std::string pem = public_pem(PrivateKey(seed_of(seed)).public_key());
      return "[[key]]\nname = \"" + name + "\"\npublic_key = \"\"\"" + pem + "\"\"\"\n";
    };
    atomic_write(temp.path() / "p.toml", "policy = 1\nthreshold = 1\n" + part(first, a) + part(second, b));
    return error_text([&] { (void)read_policy(temp.path() / "p.toml"); });
  };
  CHECK(policy("a", 1, "b", 2).empty());
  CHECK(policy("a", 1, "b", 1) == "the key 'b' stands twice: it would count double\n");
  CHECK(policy("a", 1, "a", 2) == "the key 'a' stands twice: it would count double\n");
}

TEST_CASE("an envelope with bad base64 or without a list of signatures is none") {
  const Json good = Json::parse(sign_envelope("text", PrivateKey(seed_of(1))));
  REQUIRE(parse_envelope("e.json", good.dump()).payload == "text");
  for (const auto& [pointer, value] : std::vector<std::pair<std::string, Json>>{
           {"/payload", "!!!"}, {"/payload", ""}, {"/signatures/0/sig", "***"}, {"/signatures", nullptr},
           {"/signatures", Json::object()}, {"/signatures", "none"}}) {
    CAPTURE(pointer, value.dump());
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    CHECK(error_text([&] { (void)parse_envelope("e.json", json.dump()); })
              .starts_with("e.json is not a signed in-toto statement: "));
  }
}
