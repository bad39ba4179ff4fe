// SPDX-License-Identifier: MIT
// Messages of the network: what is believed of them, and how they are signed here.
#include "message/message.hpp"

#include <array>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/cid.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "message/account.hpp"
#include "message/signature.hpp"
#include "message/store_message.hpp"
#include "support/catch.hpp"
#include "support/environment_guard.hpp"
#include "support/fakes.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::ordered_json;

std::array<std::uint8_t, 32> secret_of(unsigned char byte) {
  std::array<std::uint8_t, 32> secret{};
  secret.fill(byte);
  return secret;
}

const std::string kFileHash(64, 'f');

/// A message over a content of one's own, rightly signed.
Json envelope_of(const std::string& content, const Account& account, const std::string& type = "STORE") {
  const std::string hash = sha256(content).hex();
  return {{"sender", account.address()},
          {"chain", account.chain()},
          {"type", type},
          {"channel", "C"},
          {"time", 5},
          {"item_type", "inline"},
          {"item_content", content},
          {"item_hash", hash},
          {"signature", account.sign(signed_text(account.chain(), account.address(), type, hash))}};
}

std::string store_content(const Account& account, const std::string& more = "") {
  return R"({"address":")" + account.address() + R"(","time":5,"item_type":"storage","item_hash":")" + kFileHash +
         "\"" + more + "}";
}

/// The variables that a key is looked for in: none set at first, and restored with the object.
class KeyPlaces : public EnvironmentGuard {
 public:
  KeyPlaces() {
    for (const char* name : {"ALEPH_PRIVATE_KEY_STRING", "ALEPH_PRIVATE_KEY", "ALEPH_PRIVATE_KEY_FILE",
                             "ALEPH_CONFIG_HOME", "XDG_DATA_HOME"})
      set(name, "");
    set("HOME", path("home").string());
  }

  [[nodiscard]] fs::path path(const std::string& name) const { return temp_.path() / name; }
  [[nodiscard]] fs::path put(const std::string& name, const std::string& text) const {
    make_folders(path(name).parent_path());
    atomic_write(path(name), text, 0600);
    return path(name);
  }

 private:
  TempDir temp_{fs::temp_directory_path(), "alephc-test"};
};

std::string hex_of(unsigned char byte) {
  return to_hex(secret_of(byte));
}

/// Which of the keys 1, 2 … was loaded, as Ethereum's; 0: another.
int loaded(const AccountRequest& request = {}) {
  const std::string address = load_account(request).address();
  for (unsigned char i = 1; i < 10; ++i)
    if (Account("ETH", secret_of(i)).address() == address) return i;
  return 0;
}

}  // namespace

TEST_CASE("a message without one of its fields, or with one that is no text, is none") {
  const Account account("ETH", secret_of(1));
  const Json good = envelope_of(store_content(account), account);
  CHECK(parse_message("m", good.dump()).item_hash == good["item_hash"].get<std::string>());
  for (const char* key : {"type", "item_hash", "sender", "chain", "item_type", "item_content", "signature"}) {
    INFO(key);
    Json missing = good;
    missing.erase(key);
    Json number = good;
    number[key] = 7;
    for (const Json& bad : {missing, number}) {
      const auto parse = [&] { (void)parse_message("m", bad.dump()); };
      CHECK(error_kind(parse) == ErrorKind::failed);
      CHECK_THAT(error_text(parse), ContainsSubstring("m is not a message of the network: '" +
                                                      std::string(key) + "' is missing"));
    }
  }
}

TEST_CASE("whatever the sender signed cannot be changed, and what he did not sign is not believed of him") {
  const Account account("ETH", secret_of(1));
  const Json good = envelope_of(store_content(account), account);
  const std::map<std::string, std::string> changes{
      {"type", "PROGRAM"},
      {"item_hash", std::string(64, '0')},
      {"sender", Account("ETH", secret_of(2)).address()},
      {"chain", "BASE"},
      {"item_content", store_content(account, R"(,"x":1)")},
      {"signature", account.sign("another text")}};
  for (const auto& [key, value] : changes) {
    INFO(key);
    Json changed = good;
    changed[key] = value;
    CHECK(error_kind([&] { (void)parse_message("m", changed.dump()); }) == ErrorKind::integrity);
  }
  Json unsigned_parts = good;
  unsigned_parts["channel"] = "another";
  unsigned_parts["time"] = 77;
  unsigned_parts["confirmed"] = true;
  CHECK(parse_message("m", unsigned_parts.dump()).channel == "another");
  CHECK(parse_store_message("m", unsigned_parts.dump()).time == 5);
}

TEST_CASE("a node's answer and the message in it are read alike") {
  const Account account("SOL", secret_of(3));
  const Json message = envelope_of(store_content(account), account);
  const Json answer{{"status", "processed"}, {"type", "another"}, {"message", message}};
  for (const std::string& text : {message.dump(), answer.dump(), answer.dump(4)}) {
    const Message read = parse_message("m", text);
    CHECK(read.type == "STORE");
    CHECK(read.sender == account.address());
    CHECK(read.chain == "SOL");
    CHECK(read.channel == "C");
    CHECK(read.content == store_content(account));
    CHECK(read.address == account.address());
    CHECK(read.unchecked.empty());
  }
}

TEST_CASE("what is no JSON object is no message") {
  for (const std::string& text : {std::string(), std::string("null"), std::string("[]"), std::string("\"m\""),
                                  std::string("{"), std::string(100'000, '['), std::string("{}x")}) {
    INFO(text.substr(0, 20));
    CHECK_THAT(error_text([&] { (void)parse_message("m", text); }),
               ContainsSubstring("the text is not a JSON object"));
  }
  CHECK_THAT(error_text([] { (void)parse_message("m", R"({"message":{}})"); }),
             ContainsSubstring("'type' is missing"));
  CHECK_THAT(error_text([] { (void)parse_message("m", R"({"message":[1]})"); }),
             ContainsSubstring("'type' is missing"));
}

TEST_CASE("a content must be an object that says whom the message is for") {
  const Account account("ETH", secret_of(1));
  for (const auto& [content, why] : std::map<std::string, std::string>{{"[]", "item_content is not a JSON object"},
                                                                       {"text", "item_content is not a JSON object"},
                                                                       {"{}", "'address' is missing"},
                                                                       {R"({"address":1})", "'address' is missing"}}) {
    const auto parse = [&] { (void)parse_message("m", envelope_of(content, account).dump()); };
    CHECK(error_kind(parse) == ErrorKind::failed);
    CHECK_THAT(error_text(parse), ContainsSubstring(why));
  }
}

TEST_CASE("a content that is a file of its own is held against the hash, be it a sha256 or a CID") {
  const Account account("ETH", secret_of(1));
  // Of several chunks, so that its CIDv1 is that of a folder of chunks.
  const std::string content = store_content(account, R"(,"x":")" + std::string(300'000, 'x') + "\"");
  const TempDir folder(fs::temp_directory_path(), "alephc-test");
  atomic_write(folder.path() / "content", content);
  const FileHashes hashes = hash_file(folder.path() / "content", 1);
  for (const std::string& hash : {hashes.sha256.hex(), hashes.cid_v0, hashes.cid_v1}) {
    INFO(hash);
    Json envelope = envelope_of(content, account);
    envelope.erase("item_content");
    envelope["item_type"] = "storage";
    envelope["item_hash"] = hash;
    envelope["signature"] = account.sign(signed_text("ETH", account.address(), "STORE", hash));
    std::vector<std::string> asked;
    const auto source = [&](const std::string& what) {
      asked.push_back(what);
      return content;
    };
    CHECK(parse_message("m", envelope.dump(), source).content == content);
    CHECK(asked == std::vector{hash});
    const auto lie = [&] { (void)parse_message("m", envelope.dump(), [&](auto) { return content + " "; }); };
    CHECK(error_kind(lie) == ErrorKind::integrity);
    CHECK_THAT(error_text([&] { (void)parse_message("m", envelope.dump()); }),
               ContainsSubstring("is a file of its own"));
  }
}

TEST_CASE("a message of a chain that cannot be checked is read, and says so") {
  const Account account("ETH", secret_of(1));
  Json envelope = envelope_of(store_content(account), account);
  envelope["chain"] = "TEZOS";
  const Message message = parse_message("m", envelope.dump());
  CHECK(message.unchecked == "signatures of the chain TEZOS cannot be checked yet");
  // Its hash is checked all the same.
  envelope["item_content"] = "{}";
  CHECK(error_kind([&] { (void)parse_message("m", envelope.dump()); }) == ErrorKind::integrity);
}

TEST_CASE("a signature of Ethereum is 65 bytes of hex, by whoever the address says") {
  const Account account("ETH", secret_of(1));
  const std::string good = account.sign("text");
  const std::string& sender = account.address();
  REQUIRE(good.size() == 132);
  const bool is_odd = good.ends_with("1c");
  const auto check_of = [&](const std::string& signature, const std::string& who) {
    return check_signature_of("ETH", who, "text", signature);
  };
  const std::string body = good.substr(0, 130);
  std::string lower = sender;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  CHECK(check_of(good, sender) == SignatureCheck::good);
  CHECK(check_of(good, lower) == SignatureCheck::good);
  CHECK(check_of(good.substr(2), sender) == SignatureCheck::good);
  CHECK(check_of(body + (is_odd ? "01" : "00"), sender) == SignatureCheck::good);
  for (const std::string& bad :
       {body + (is_odd ? "1b" : "1c"), body + "1d", body + "ff", body, good + "00", "0x" + good, good + "g",
        "0x" + std::string(130, '0'), "0x" + std::string(130, 'f'), std::string(), std::string("0x")}) {
    INFO(bad);
    CHECK(check_of(bad, sender) == SignatureCheck::bad);
  }
  for (const std::string& who : {Account("ETH", secret_of(2)).address(), sender.substr(2), sender + "0", std::string()})
    CHECK(check_of(good, who) == SignatureCheck::bad);
  CHECK(check_signature_of("ETH", sender, "text ", good) == SignatureCheck::bad);
  // Chains with Ethereum's keys; of Avalanche only the addresses that are Ethereum's.
  for (const char* chain : {"BASE", "ARB", "AVAX", "HYPE"})
    CHECK(check_signature_of(chain, sender, "text", good) == SignatureCheck::good);
  for (const char* who : {"X-avax1q", "P-avax1q"})
    CHECK(check_signature_of("AVAX", who, "text", good) == SignatureCheck::unknown_chain);
  for (const char* chain : {"", "eth", "DOT", "CSDK"})
    CHECK(check_signature_of(chain, sender, "text", good) == SignatureCheck::unknown_chain);
}

TEST_CASE("a signature of Solana is the sender's own key's, whatever key stands beside it") {
  const Account account("SOL", secret_of(1));
  const Account other("SOL", secret_of(2));
  const Json good = Json::parse(account.sign("text"));
  const auto check_of = [&](const Json& signature, const std::string& who) {
    return check_signature_of("SOL", who, "text", signature.dump());
  };
  CHECK(check_of(good, account.address()) == SignatureCheck::good);
  CHECK(check_signature_of("ES", account.address(), "text", good.dump()) == SignatureCheck::good);
  CHECK(check_of(good, other.address()) == SignatureCheck::bad);
  CHECK(check_of({{"publicKey", other.address()}, {"signature", good["signature"]}}, other.address()) ==
        SignatureCheck::bad);
  CHECK(check_of({{"publicKey", other.address()}, {"signature", good["signature"]}}, account.address()) ==
        SignatureCheck::bad);
  const std::string signature = good["signature"];
  for (const std::string& bad : {std::string(), std::string("0OIl"), signature.substr(1), signature + "1",
                                 encode_base58(decode_base58(signature).substr(1))})
    CHECK(check_of({{"publicKey", account.address()}, {"signature", bad}}, account.address()) == SignatureCheck::bad);
  // A short key that says that it is the sender.
  CHECK(check_of({{"publicKey", "abc"}, {"signature", signature}}, "abc") == SignatureCheck::bad);
  CHECK(check_signature_of("SOL", account.address(), "text", signature) == SignatureCheck::bad);
}

TEST_CASE("who speaks for himself is told by the address, in any case where the chain has none") {
  Message message{.sender = "0xAbCd", .address = "0xabcd"};
  CHECK(message.speaks_for_himself());
  message.address = "0xabce";
  CHECK_FALSE(message.speaks_for_himself());
  message = {.sender = "AbCd", .address = "abcd"};
  CHECK_FALSE(message.speaks_for_himself());
  CHECK_FALSE(same_address("0xab", "ab"));
  CHECK_FALSE(same_address("0xab", "0xabc"));
  CHECK(same_address("", ""));
}

TEST_CASE("a STORE names its file, and of its recipe what is text") {
  const Account account("ETH", secret_of(1));
  const auto parse = [&](const std::string& content, const std::string& type = "STORE") {
    return parse_store_message("m", envelope_of(content, account, type).dump());
  };
  const StoreMessage read = parse(store_content(
      account, R"(,"ref":"R","metadata":{"alephc":{"lock":"l","tree":"t","epoch":3,"repository":["r"],"path":"p"}})"));
  CHECK(read.file_hash == kFileHash);
  CHECK(read.item_type == "storage");
  CHECK(read.ref == "R");
  CHECK(read.time == 5);
  CHECK(read.recipe.lock == "l");
  CHECK(read.recipe.tree == "t");
  CHECK(read.recipe.path == "p");
  CHECK(read.recipe.epoch.empty());
  CHECK(read.recipe.repository.empty());
  for (const char* metadata : {R"(,"metadata":7)", R"(,"metadata":{"alephc":"x"})", R"(,"metadata":null)"})
    CHECK(parse(store_content(account, metadata)).recipe.lock.empty());
  CHECK_THAT(error_text([&] { (void)parse(store_content(account), "POST"); }),
             ContainsSubstring("is not a STORE message: its type is POST"));
  const std::string no_file = R"({"address":")" + account.address() + R"(","item_hash":9,"time":"now"})";
  CHECK_THAT(error_text([&] { (void)parse(no_file); }), ContainsSubstring("it names no file"));
  CHECK(error_kind([&] { (void)parse(no_file); }) == ErrorKind::failed);
}

TEST_CASE("a signed STORE has its keys in the order of the network's client, and no blanks") {
  const Account account("ETH", secret_of(1));
  const SignedMessage made = sign_store_message({.address = "0xother",
                                                 .item_type = "storage",
                                                 .file_hash = kFileHash,
                                                 .ref = "R",
                                                 .payment = "hold",
                                                 .recipe = {.lock = "l", .bundle = "b"},
                                                 .metadata = {{"z", "1"}, {"a", "\"\\\n\x01"}},
                                                 .time = 1.5},
                                                account);
  const Json envelope = Json::parse(made.envelope);
  CHECK(envelope["item_content"] ==
        R"({"address":"0xother","time":1.5,"item_type":"storage","item_hash":")" + kFileHash +
            R"(","ref":"R","metadata":{"alephc":{"lock":"l","bundle":"b"},"a":"\"\\\n\u0001","z":"1"},)" +
            R"("payment":{"chain":"ETH","type":"hold"}})");
  std::vector<std::string> keys;
  for (const auto& [key, value] : envelope.items()) keys.push_back(key);
  CHECK(keys == std::vector<std::string>{"sender", "chain", "type", "channel", "time", "item_type", "item_content",
                                         "item_hash", "signature"});
  CHECK(envelope["item_hash"] == made.item_hash);
  CHECK(made.item_hash == sha256(envelope["item_content"].get<std::string>()).hex());
  CHECK_FALSE(parse_message("m", made.envelope).speaks_for_himself());
}

TEST_CASE("a STORE says nothing of what was not asked for, and the same thing twice in the same bytes") {
  for (const char* chain : {"ETH", "SOL"}) {
    const Account account(chain, secret_of(4));
    const StoreRequest request{.item_type = "ipfs", .file_hash = "Qm", .time = 2};
    const SignedMessage made = sign_store_message(request, account);
    CHECK(Json::parse(made.envelope)["item_content"] ==
          R"({"address":")" + account.address() + R"(","time":2.0,"item_type":"ipfs","item_hash":"Qm"})");
    CHECK(Json::parse(made.envelope)["channel"] == "ALEPH-CLOUDSOLUTIONS");
    CHECK(sign_store_message(request, account).envelope == made.envelope);
  }
}

TEST_CASE("every part of a recipe comes back from a signed message") {
  const Account account("SOL", secret_of(4));
  const RecipeReference recipe{.lock = "1", .tree = "2", .epoch = "3", .repository = "4", .revision = "5", .path = "6",
                               .bundle = "7"};
  const SignedMessage made =
      sign_store_message({.item_type = "ipfs", .file_hash = "Qm", .recipe = recipe, .time = 2}, account);
  const RecipeReference read = parse_store_message("m", made.envelope).recipe;
  CHECK(std::vector{read.lock, read.tree, read.epoch, read.repository, read.revision, read.path, read.bundle} ==
        std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7"});
}

TEST_CASE("a message larger than nodes take is not signed") {
  const Account account("ETH", secret_of(1));
  StoreRequest request{.item_type = "storage", .file_hash = kFileHash, .metadata = {{"k", ""}}, .time = 1};
  const std::size_t empty = Json::parse(sign_store_message(request, account).envelope)["item_content"]
                                .get<std::string>()
                                .size();
  request.metadata["k"] = std::string(200'000 - empty, 'x');
  CHECK_FALSE(sign_store_message(request, account).envelope.empty());
  request.metadata["k"] += "x";
  const auto sign = [&] { (void)sign_store_message(request, account); };
  CHECK(error_kind(sign) == ErrorKind::usage);
  CHECK_THAT(error_text(sign), ContainsSubstring("has 200001 characters, and nodes take 200000"));
}

TEST_CASE("a program or instance without a reference to its runtime is refused") {
  const auto runtime = [](const std::string& type, const std::string& content) {
    return runtime_of({.type = type, .item_hash = "H", .content = content});
  };
  for (const auto& [type, content] : std::vector<std::pair<std::string, std::string>>{
           {"PROGRAM", "{}"},
           {"PROGRAM", "[]"},
           {"PROGRAM", ""},
           {"PROGRAM", R"({"runtime":{"ref":1}})"},
           {"PROGRAM", R"({"rootfs":{"parent":{"ref":"r"}}})"},
           {"INSTANCE", R"({"runtime":{"ref":"r"}})"},
           {"INSTANCE", R"({"rootfs":"r"})"},
           {"INSTANCE", R"({"rootfs":{"parent":"r"}})"},
           {"POST", R"({"runtime":{"ref":"r"},"rootfs":{"parent":{"ref":"r"}}})"}}) {
    INFO(type << content);
    CHECK_THAT(error_text([&] { (void)runtime(type, content); }),
               ContainsSubstring("a " + type + " names no runtime"));
  }
  // The network's own default where it is not said, or said otherwise than by yes and no.
  CHECK(runtime("INSTANCE", R"({"rootfs":{"parent":{"ref":"r","use_latest":"no"}}})").use_latest);
}

TEST_CASE("a key of Ethereum is below the order of its curve") {
  const std::string order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
  const auto account = [](const std::string& hex) { return Account("ETH", Digest::from_hex(hex)->bytes).address(); };
  CHECK(error_kind([&] { (void)account(order); }) == ErrorKind::usage);
  CHECK(error_kind([&] { (void)account(std::string(64, 'f')); }) == ErrorKind::usage);
  // The last key's point is the first one's with the other sign: another address, and no error.
  CHECK(account(order.substr(0, 63) + "0") == "0x80C0dbf239224071c59dD8970ab9d542E3414aB2");
  CHECK_FALSE(Account("SOL", Digest::from_hex(order)->bytes).address().empty());
}

TEST_CASE("a key comes from the first place that names one") {
  KeyPlaces places;
  CHECK_THAT(error_text([] { (void)loaded(); }), ContainsSubstring("there is no key to sign with"));
  CHECK(error_kind([] { (void)loaded(); }) == ErrorKind::usage);
  (void)places.put("home/.aleph-im/private-keys/ethereum.key", hex_of(1));
  CHECK(loaded() == 1);
  (void)places.put("home/.aleph-im/private-keys/default.key", hex_of(2));
  CHECK(loaded() == 2);
  (void)places.put("home/.aleph-im/config.json",
                   Json{{"path", places.put("chosen.key", hex_of(3)).string()}, {"chain", "BASE"}}.dump());
  CHECK(loaded() == 3);
  const fs::path fallback = places.put("fallback.key", hex_of(4));
  CHECK(loaded({.fallback_file = fallback}) == 4);
  places.set("ALEPH_PRIVATE_KEY_FILE", places.put("named.key", hex_of(5)).string());
  CHECK(loaded({.fallback_file = fallback}) == 5);
  places.set("ALEPH_PRIVATE_KEY", hex_of(6));
  CHECK(loaded({.fallback_file = fallback}) == 6);
  places.set("ALEPH_PRIVATE_KEY_STRING", "0x" + hex_of(7));
  CHECK(loaded({.fallback_file = fallback}) == 7);
  const fs::path file = places.put("file.key", hex_of(8));
  CHECK(loaded({.file = file, .fallback_file = fallback}) == 8);
}

TEST_CASE("a place that holds no key is an error, though a later one has a key") {
  KeyPlaces places;
  (void)places.put("home/.aleph-im/private-keys/default.key", hex_of(1));
  places.set("ALEPH_PRIVATE_KEY", "no key");
  CHECK(error_kind([] { (void)loaded(); }) == ErrorKind::usage);
  CHECK_THAT(error_text([] { (void)loaded(); }), ContainsSubstring("ALEPH_PRIVATE_KEY holds no private key"));
  places.set("ALEPH_PRIVATE_KEY", hex_of(2));
  const fs::path bad = places.put("bad.key", "[1,2,3]");
  CHECK_THAT(error_text([&] { (void)loaded({.file = bad}); }),
             ContainsSubstring(bad.string() + " holds no private key"));
  CHECK(error_kind([&] { (void)loaded({.file = places.path("missing")}); }) == ErrorKind::failed);
}

TEST_CASE("texts that are nearly a key are none") {
  KeyPlaces places;
  std::string array = "[256";
  std::string negative = "[-1";
  for (int i = 1; i < 64; ++i) array += ",1", negative += ",1";
  for (const std::string& text : {hex_of(1) + "0", hex_of(1).substr(1), hex_of(1) + hex_of(1), array + "]",
                                  negative + "]", std::string("[]"), std::string("{\"a\":1}"), std::string(33, '\x7f'),
                                  encode_base58(std::string(31, 'x')), encode_base58(std::string(65, 'x'))}) {
    INFO(text);
    const fs::path file = places.put("key", text);
    CHECK(error_kind([&] { (void)loaded({.file = file}); }) == ErrorKind::usage);
  }
  const fs::path upper = places.put("key", "0x" + std::string(64, 'A') + "\r\n");
  CHECK(load_account({.file = upper}).address() ==
        Account("ETH", Digest::from_hex(std::string(64, 'a'))->bytes).address());
}

TEST_CASE("the network's client is found in its three places, and its settings choose the chain") {
  KeyPlaces places;
  (void)places.put("home/.aleph-im/private-keys/default.key", hex_of(1));
  CHECK(loaded() == 1);
  places.set("XDG_DATA_HOME", places.path("data").string());
  (void)places.put("data/.aleph-im/private-keys/default.key", hex_of(2));
  CHECK(loaded() == 2);
  places.set("ALEPH_CONFIG_HOME", places.path("own").string());
  (void)places.put("own/private-keys/default.key", hex_of(3));
  CHECK(loaded() == 3);
  const auto chain = [&](const std::string& config, const AccountRequest& request = {}) {
    (void)places.put("own/config.json", config);
    return load_account(request).chain();
  };
  CHECK(chain("{}") == "ETH");
  CHECK(chain("broken") == "ETH");
  CHECK(chain(R"({"chain":"AVAX"})") == "ETH");
  CHECK(chain(R"({"chain":"SOL"})") == "SOL");
  CHECK(chain(R"({"chain":"SOL"})", {.chain = "ETH"}) == "ETH");
  CHECK_THAT(error_text([&] { (void)chain(R"({"chain":"DOT"})"); }),
             ContainsSubstring("chain 'DOT'") && ContainsSubstring("ETH, SOL"));
  const auto hardware = [&] { (void)chain(R"({"type":"hardware","path":"/x"})"); };
  CHECK(error_kind(hardware) == ErrorKind::usage);
  CHECK_THAT(error_text(hardware), ContainsSubstring("hardware wallet") && ContainsSubstring("--key FILE"));
}

TEST_CASE("a content of one block may be named by the CIDv1 of that block") {
  const Account account("ETH", secret_of(1));
  const std::string content = store_content(account);
  const TempDir folder(fs::temp_directory_path(), "alephc-test");
  atomic_write(folder.path() / "content", content);
  const std::string hash = hash_file(folder.path() / "content", 1).cid_v1;
  REQUIRE(hash.starts_with("bafkrei"));
  Json envelope = envelope_of(content, account);
  envelope.erase("item_content");
  envelope["item_type"] = "ipfs";
  envelope["item_hash"] = hash;
  envelope["signature"] = account.sign(signed_text("ETH", account.address(), "STORE", hash));
  CHECK(parse_message("m", envelope.dump(), [&](auto) { return content; }).content == content);
  const auto lie = [&] { (void)parse_message("m", envelope.dump(), [&](auto) { return content + " "; }); };
  CHECK(error_kind(lie) == ErrorKind::integrity);
}

TEST_CASE("a key's bytes are below 256, also where a number would wrap around to one") {
  KeyPlaces places;
  std::string rest;
  for (int i = 1; i < 32; ++i) rest += ",1";
  const auto file_of = [&](const std::string& first) { return places.put("key", "[" + first + rest + "]"); };
  CHECK(loaded({.file = file_of("1")}) == 1);
  for (const char* first : {"256", "4294967297", "18446744073709551617", "-1", "1.0", "\"1\""}) {
    CAPTURE(first);
    const fs::path file = file_of(first);
    CHECK(error_kind([&] { (void)loaded({.file = file}); }) == ErrorKind::usage);
  }
}

}  // namespace alephc
