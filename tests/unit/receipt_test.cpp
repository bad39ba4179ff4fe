// SPDX-License-Identifier: MIT
#include "evidence/receipt.hpp"

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/diagnostic.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

using Json = nlohmann::json;

Receipt full_receipt() {
  Receipt receipt{.name = "app",
                  .version = "1.2",
                  .lock = sha256("lock"),
                  .epoch = 1,
                  .source_date_epoch = 1700000000,
                  .format = "disk",
                  .layers = {{"base", sha256("aa").hex()}, {"run:1", sha256("bb").hex()}},
                  .tools = {"libzstd 1.5.4"}};
  receipt.image = {.sha256 = sha256("image"),
                   .size = 5000000000,
                   .cid_v0 = "Qmv0",
                   .cid_v1 = "bafyv1",
                   .tree = {.v2 = sha256("tree"), .outside = sha256("outside")},
                   .verity_root = sha256("root"),
                   .accounts = {"root:0:0", "www-data:33:33"},
                   .groups = {"root:0"}};
  return receipt;
}

Receipt parse(const std::string& text) {
  return parse_receipt("r.json", text);
}
std::string why_not(const Json& json) {
  CHECK(error_kind([&] { (void)parse(json.dump()); }) == ErrorKind::failed);
  return error_text([&] { (void)parse(json.dump()); });
}

}  // namespace

TEST_CASE("a receipt goes through its text and back with every field") {
  const Receipt receipt = parse(receipt_text(full_receipt()));
  CHECK(receipt.name == "app");
  CHECK(receipt.version == "1.2");
  CHECK(receipt.lock == sha256("lock"));
  CHECK(receipt.epoch == 1);
  CHECK(receipt.source_date_epoch == 1700000000);
  CHECK(receipt.format == "disk");
  CHECK(receipt.image.sha256 == sha256("image"));
  CHECK(receipt.image.size == 5000000000);
  CHECK(receipt.image.cid_v0 == "Qmv0");
  CHECK(receipt.image.cid_v1 == "bafyv1");
  CHECK(receipt.image.tree == TreeDigest{.v2 = sha256("tree"), .outside = sha256("outside")});
  CHECK(receipt.image.verity_root == sha256("root"));
  CHECK(receipt.layers == full_receipt().layers);
  CHECK(receipt.image.accounts == full_receipt().image.accounts);
  CHECK(receipt.image.groups == full_receipt().image.groups);
  CHECK(receipt.tools == full_receipt().tools);
  CHECK(receipt_text(receipt) == receipt_text(full_receipt()));
}

TEST_CASE("a receipt's text is JSON with the tree as 2:HEX and fields in a fixed order") {
  const std::string text = receipt_text(full_receipt());
  const auto json = nlohmann::ordered_json::parse(text);
  CHECK(json.at("receipt") == 1);
  CHECK(json.at("tree") == "2:" + sha256("tree").hex());
  CHECK(json.at("outside") == sha256("outside").hex());
  CHECK(json.at("layers").at(1).dump() == R"({"step":"run:1","layer":")" + sha256("bb").hex() + R"("})");
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  CHECK(keys == std::vector<std::string>{"receipt", "name", "version", "lock", "epoch", "source_date_epoch", "format",
                                         "size", "sha256", "cid_v0", "cid_v1", "tree", "outside", "verity_root",
                                         "layers", "accounts", "groups", "tools"});
  CHECK(text.ends_with("}\n"));
}

TEST_CASE("what an image does not have stands in no receipt") {
  Receipt receipt = full_receipt();
  receipt.image = {.tree = {.v2 = sha256("tree")}};
  const std::string text = receipt_text(receipt);
  const Json json = Json::parse(text);
  for (const char* key : {"size", "sha256", "cid_v0", "cid_v1", "outside", "verity_root"})
    CHECK_FALSE(json.contains(key));
  const Receipt read = parse(text);
  CHECK(read.image.sha256.is_zero());
  CHECK(read.image.verity_root.is_zero());
  CHECK(read.image.tree.outside.is_zero());
}

TEST_CASE("a receipt of an older alephc has its tree in bare hex") {
  Json json = Json::parse(receipt_text(full_receipt()));
  json["tree"] = sha256("old").hex();
  json.erase("outside");
  const Receipt read = parse(json.dump());
  CHECK(read.image.tree == TreeDigest{.v1 = sha256("old")});
  CHECK(Json::parse(receipt_text(read)).at("tree") == sha256("old").hex());
}

TEST_CASE("a receipt without one of its fields is none, and the file is named") {
  const Json good = Json::parse(receipt_text(full_receipt()));
  for (const char* key : {"receipt", "name", "version", "lock", "epoch", "source_date_epoch", "format", "size",
                          "cid_v0", "cid_v1", "tree", "layers", "accounts", "groups", "tools"}) {
    CAPTURE(key);
    Json json = good;
    json.erase(key);
    CHECK(why_not(json) == "r.json is not a receipt\nmake it again with 'alephc build --record'\n");
  }
}

TEST_CASE("a receipt with a field of another kind is none") {
  const Json good = Json::parse(receipt_text(full_receipt()));
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"name", "1"}, {"version", "null"}, {"lock", "5"}, {"epoch", "\"1\""}, {"source_date_epoch", "[]"},
           {"format", "{}"}, {"size", "\"4096\""}, {"sha256", "false"}, {"cid_v0", "7"}, {"cid_v1", "null"},
           {"tree", "{}"}, {"outside", "1"}, {"verity_root", "1"}, {"layers", "[\"base\"]"},
           {"layers", "[{\"step\":\"a\"}]"}, {"layers", "[{\"step\":1,\"layer\":\"a\"}]"}, {"layers", "\"base\""},
           {"accounts", "\"root\""}, {"accounts", "[1]"}, {"groups", "null"}, {"tools", "[[]]"}}) {
    CAPTURE(key, value);
    Json json = good;
    json[key] = Json::parse(value);
    CHECK(why_not(json).starts_with("r.json is not a receipt"));
  }
}

TEST_CASE("digests in a receipt are strict, and the error names the field") {
  const Json good = Json::parse(receipt_text(full_receipt()));
  for (const char* key : {"lock", "sha256", "verity_root"}) {
    for (const std::string& value :
         {std::string(), std::string(64, 'A'), std::string(63, 'a'), "2:" + std::string(64, 'a')}) {
      CAPTURE(key, value);
      Json json = good;
      json[key] = value;
      CHECK(why_not(json) == "r.json is not a receipt: '" + std::string(key) + "' is not a sha256\n");
    }
  }
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"tree", ""}, {"tree", "2:"}, {"tree", "3:" + std::string(64, 'a')}, {"tree", std::string(64, '0')},
           {"tree", "2:" + std::string(64, '0')}, {"outside", "2:" + std::string(64, 'a')}, {"outside", "none"}}) {
    CAPTURE(key, value);
    Json json = good;
    json[key] = value;
    CHECK(why_not(json) == "r.json is not a receipt: 'tree' or 'outside' is not a digest\n");
  }
}

TEST_CASE("a receipt of a later version says so, and what is no JSON object is none") {
  Json json = Json::parse(receipt_text(full_receipt()));
  json["receipt"] = 2;
  CHECK(why_not(json) == "r.json was made by a later alephc\n");
  for (const char* text : {"", "{", "[]", "null", "\"receipt\"", "1", "{}"}) {
    CAPTURE(text);
    CHECK(error_kind([&] { (void)parse(text); }) == ErrorKind::failed);
    CHECK(error_text([&] { (void)parse(text); }).starts_with("r.json is not a receipt\n"));
  }
}

TEST_CASE("odd bytes in a name do not break a receipt") {
  Receipt receipt = full_receipt();
  receipt.name = "a\"b\xff\n";
  CHECK(parse(receipt_text(receipt)).name == "a\"b\xef\xbf\xbd\n");
}

TEST_CASE("numbers of a receipt are whole, a size is none below zero, and layers are a list of sha256") {
  const Json good = Json::parse(receipt_text(full_receipt()));
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"size", "-5"}, {"size", "1.5"}, {"size", "18446744073709551615"}, {"epoch", "1.9"}, {"epoch", "true"},
           {"source_date_epoch", "1e3"}, {"layers", "null"}, {"layers", "{}"},
           {"layers", "[{\"step\":\"a\",\"layer\":\"zz\"}]"}}) {
    CAPTURE(key, value);
    Json json = good;
    json[key] = Json::parse(value);
    CHECK(why_not(json).starts_with("r.json is not a receipt: '" + key + "' is not "));
  }
}
