// SPDX-License-Identifier: MIT
#include "message/store_message.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "message/signature.hpp"

namespace alephc {
namespace {

using Json = nlohmann::json;

[[noreturn]] void no_message(const std::string& name, const std::string& why) {
  throw Error(ErrorKind::failed, name + " is no STORE message: " + why,
              "save the answer of a node to /api/v0/messages/HASH");
}

std::string text_of(const Json& object, const char* key, const std::string& name) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string()) no_message(name, std::string("'") + key + "' is missing");
  return it->get<std::string>();
}

Json parse_object(const std::string& name, const std::string& text, const char* what) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) no_message(name, std::string(what) + " is no JSON object");
  return json;
}

void check_signature(const Json& envelope, const std::string& name, StoreMessage& message) {
  const std::string signed_text = message.chain + "\n" + message.sender + "\n" +
                                  text_of(envelope, "type", name) + "\n" + message.item_hash;
  switch (
      check_signature_of(message.chain, message.sender, signed_text, text_of(envelope, "signature", name))) {
    case SignatureCheck::good:
      return;
    case SignatureCheck::unknown_chain:
      message.unchecked = "signatures of the chain " + message.chain + " cannot be checked yet";
      return;
    case SignatureCheck::bad:
      throw Error(ErrorKind::integrity, name + ": the signature is not that of the sender " + message.sender,
                  "the message was changed or made up: get it from another node");
  }
}

}  // namespace

StoreMessage parse_store_message(const std::string& name, const std::string& text) {
  Json envelope = parse_object(name, text, "the text");
  if (envelope.contains("message") && envelope["message"].is_object()) {
    Json inner = envelope["message"];
    envelope = std::move(inner);
  }
  StoreMessage message{.item_hash = text_of(envelope, "item_hash", name),
                       .sender = text_of(envelope, "sender", name),
                       .chain = text_of(envelope, "chain", name)};
  if (text_of(envelope, "type", name) != "STORE")
    no_message(name, "its type is " + text_of(envelope, "type", name));
  if (text_of(envelope, "item_type", name) != "inline")
    no_message(name, "its content is a file of its own, which is not in it");
  // The hash covers the text that the sender chose, never one that is written anew.
  const std::string content_text = text_of(envelope, "item_content", name);
  if (sha256(content_text).hex() != message.item_hash)
    throw Error(ErrorKind::integrity, name + ": item_hash is not the sha256 of item_content",
                "the message was changed or made up: get it from another node");
  const Json content = parse_object(name, content_text, "item_content");
  message.file_hash = text_of(content, "item_hash", name);
  check_signature(envelope, name, message);
  const std::string address = text_of(content, "address", name);
  if (to_lower(address) != to_lower(message.sender)) message.speaks_for = address;
  return message;
}

}  // namespace alephc
