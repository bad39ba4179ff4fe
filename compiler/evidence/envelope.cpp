// SPDX-License-Identifier: MIT
#include "evidence/envelope.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/json.hpp"

namespace alephc {
namespace {

/// What is signed: the "pre-authentication encoding" of the specification.
std::string signed_bytes(const std::string& payload) {
  const std::string type = kStatementType;
  return "DSSEv1 " + std::to_string(type.size()) + " " + type + " " + std::to_string(payload.size()) + " " +
         payload;
}

}  // namespace

std::string sign_envelope(const std::string& payload, const PrivateKey& key) {
  Json json;
  json["payloadType"] = kStatementType;
  json["payload"] = to_base64(payload);
  json["signatures"] =
      Json::array({{{"keyid", key.public_key().id()}, {"sig", to_base64(key.sign(signed_bytes(payload)))}}});
  return json_text(json) + "\n";
}

Envelope parse_envelope(const std::string& name, const std::string& text) {
  const auto json = parse_json(text);
  try {
    if (!json.is_object() || json.at("payloadType") != kStatementType)
      throw Error(ErrorKind::failed, name + " is not a signed in-toto statement");
    const auto bytes = [&](const SortedJson& value) {
      std::string decoded = from_base64(value.get<std::string>());
      if (decoded.empty())
        throw Error(ErrorKind::failed, name + " is not a signed in-toto statement: bad base64");
      return decoded;
    };
    Envelope envelope{.payload = bytes(json.at("payload"))};
    if (!json.at("signatures").is_array())
      throw Error(ErrorKind::failed,
                  name + " is not a signed in-toto statement: it has no list of signatures");
    for (const auto& signature : json.at("signatures"))
      envelope.signatures.push_back({signature.value("keyid", ""), bytes(signature.at("sig"))});
    return envelope;
  } catch (const Json::exception&) {
    throw Error(ErrorKind::failed, name + " is not a signed in-toto statement", "'alephc attest' makes one");
  }
}

bool is_signed_by(const PublicKey& key, const Envelope& envelope) {
  const std::string data = signed_bytes(envelope.payload);
  return std::any_of(
      envelope.signatures.begin(), envelope.signatures.end(),
      [&](const Envelope::Signature& signature) { return is_signed_by(key, data, signature.bytes); });
}

}  // namespace alephc
