// SPDX-License-Identifier: MIT
#include "evidence/receipt.hpp"

#include "base/diagnostic.hpp"
#include "base/json.hpp"

namespace alephc {

std::string receipt_text(const Receipt& receipt) {
  Json json;
  json["receipt"] = 1;
  json["name"] = receipt.name;
  json["version"] = receipt.version;
  json["lock"] = receipt.lock.hex();
  json["epoch"] = receipt.epoch;
  json["source_date_epoch"] = receipt.source_date_epoch;
  json["format"] = receipt.format;
  if (!receipt.image.sha256.is_zero()) {
    json["size"] = receipt.image.size;
    json["sha256"] = receipt.image.sha256.hex();
    json["cid_v0"] = receipt.image.cid_v0;
    json["cid_v1"] = receipt.image.cid_v1;
  }
  json["tree"] = receipt.image.tree.text();
  if (!receipt.image.tree.outside.is_zero()) json["outside"] = receipt.image.tree.outside.hex();
  if (!receipt.image.verity_root.is_zero()) json["verity_root"] = receipt.image.verity_root.hex();
  json["layers"] = Json::array();
  for (const auto& [step, digest] : receipt.layers)
    json["layers"].push_back({{"step", step}, {"layer", digest}});
  json["accounts"] = receipt.image.accounts;
  json["groups"] = receipt.image.groups;
  json["tools"] = receipt.tools;
  return json_text(json, 2) + "\n";
}

Receipt parse_receipt(const std::string& file, const std::string& text) {
  const auto json = parse_json(text);
  try {
    if (json.at("receipt") != 1) throw Error(ErrorKind::failed, file + " was made by a later alephc");
    Receipt receipt;
    const auto bad = [&](const char* key, const std::string& what) {
      throw Error(ErrorKind::failed, file + " is not a receipt: '" + key + "' is not " + what);
    };
    const auto whole = [&](const char* key) {
      if (!json.at(key).is_number_integer()) bad(key, "a whole number");
      return json.at(key).get<std::int64_t>();
    };
    const auto digest = [&](const char* key) {
      const auto found = Digest::from_hex(json.at(key).get<std::string>());
      if (!found) throw Error(ErrorKind::failed, file + " is not a receipt: '" + key + "' is not a sha256");
      return *found;
    };
    receipt.name = json.at("name");
    receipt.version = json.at("version");
    receipt.lock = digest("lock");
    receipt.epoch = whole("epoch");
    receipt.source_date_epoch = whole("source_date_epoch");
    receipt.format = json.at("format");
    const auto tree = parse_tree_digest(json.at("tree").get<std::string>(), json.value("outside", ""));
    if (!tree)
      throw Error(ErrorKind::failed, file + " is not a receipt: 'tree' or 'outside' is not a digest");
    receipt.image.tree = *tree;
    if (json.contains("verity_root")) receipt.image.verity_root = digest("verity_root");
    if (json.contains("sha256")) {
      receipt.image.sha256 = digest("sha256");
      const std::int64_t size = whole("size");
      if (size < 0) bad("size", "a size");
      receipt.image.size = static_cast<std::uint64_t>(size);
      receipt.image.cid_v0 = json.at("cid_v0");
      receipt.image.cid_v1 = json.at("cid_v1");
    }
    if (!json.at("layers").is_array()) bad("layers", "a list");
    for (const auto& layer : json.at("layers")) {
      const auto found = Digest::from_hex(layer.at("layer").get<std::string>());
      if (!found) bad("layers", "a list of sha256");
      receipt.layers.emplace_back(layer.at("step").get<std::string>(), found->hex());
    }
    receipt.image.accounts = json.at("accounts").get<std::vector<std::string>>();
    receipt.image.groups = json.at("groups").get<std::vector<std::string>>();
    receipt.tools = json.at("tools").get<std::vector<std::string>>();
    return receipt;
  } catch (const Json::exception&) {
    throw Error(ErrorKind::failed, file + " is not a receipt", "make it again with 'alephc build --record'");
  }
}

}  // namespace alephc
