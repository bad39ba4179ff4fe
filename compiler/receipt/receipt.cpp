// SPDX-License-Identifier: MIT
#include "receipt/receipt.hpp"

#include <nlohmann/json.hpp>

namespace alephc {

std::string receipt_text(const Receipt& receipt) {
  nlohmann::ordered_json json;
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
  json["tree"] = receipt.image.tree.hex();
  json["layers"] = nlohmann::ordered_json::array();
  for (const auto& [step, digest] : receipt.layers)
    json["layers"].push_back({{"step", step}, {"layer", digest}});
  json["accounts"] = receipt.accounts;
  json["groups"] = receipt.groups;
  json["tools"] = receipt.tools;
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace alephc
