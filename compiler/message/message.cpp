// SPDX-License-Identifier: MIT
#include "message/message.hpp"

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "message/signature.hpp"

namespace alephc {
namespace {

[[noreturn]] void no_message(const std::string& name, const std::string& why) {
  throw Error(ErrorKind::failed, name + " is not a message of the network: " + why,
              "save the answer of a node to /api/v0/messages/HASH");
}

std::string text_of(const SortedJson& object, const char* key, const std::string& name) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string()) no_message(name, std::string("'") + key + "' is missing");
  return it->get<std::string>();
}

SortedJson parse_object(const std::string& name, const std::string& text, const char* what) {
  SortedJson json = parse_shallow(text);
  if (!json.is_object()) no_message(name, std::string(what) + " is not a JSON object");
  return json;
}

[[noreturn]] void tampered(const std::string& what) {
  throw Error(ErrorKind::integrity, what, "the message was changed or made up: get it from another node");
}

bool is_hash_of_text(const std::string& hash, const std::string& text) {
  if (sha256(text).hex() == hash) return true;
  if (!hash.starts_with("Qm") && !hash.starts_with("baf")) return false;
  const TempDir folder(std::filesystem::temp_directory_path(), "alephc-message");
  atomic_write(folder.path() / "content", text);
  const FileHashes hashes = hash_file(folder.path() / "content", 1);
  const std::string digest = cid_digest_hex(hash);
  return hash == hashes.cid_v1 || (!digest.empty() && digest == cid_digest_hex(hashes.cid_v0));
}

/// The hash covers the text that the sender chose, never one that is written again.
std::string content_of(const SortedJson& envelope, const std::string& name, const std::string& item_hash,
                       const ContentSource& source) {
  if (text_of(envelope, "item_type", name) == "inline") {
    std::string text = text_of(envelope, "item_content", name);
    if (sha256(text).hex() != item_hash) tampered(name + ": item_hash is not the sha256 of item_content");
    return text;
  }
  if (!source) no_message(name, "its content is a file of its own, which is not in it");
  std::string text = source(item_hash);
  if (!is_hash_of_text(item_hash, text)) tampered(name + ": the content's hash is not item_hash");
  return text;
}

void check_signature(const SortedJson& envelope, const std::string& name, Message& message) {
  const std::string text = signed_text(message.chain, message.sender, message.type, message.item_hash);
  switch (check_signature_of(message.chain, message.sender, text, text_of(envelope, "signature", name))) {
    case SignatureCheck::good:
      return;
    case SignatureCheck::unknown_chain:
      message.unchecked = "signatures of the chain " + message.chain + " cannot be checked yet";
      return;
    case SignatureCheck::bad:
      tampered(name + ": the signature is not that of the sender " + message.sender);
  }
}

}  // namespace

bool Message::speaks_for_himself() const {
  return same_address(address, sender);
}

bool same_address(const std::string& a, const std::string& b) {
  return a == b || (a.starts_with("0x") && to_lower(a) == to_lower(b));
}

std::string signed_text(const std::string& chain, const std::string& sender, const std::string& type,
                        const std::string& item_hash) {
  return chain + "\n" + sender + "\n" + type + "\n" + item_hash;
}

Message parse_message(const std::string& name, const std::string& text, const ContentSource& content_source) {
  SortedJson envelope = parse_object(name, text, "the text");
  if (envelope.contains("message") && envelope["message"].is_object()) {
    SortedJson inner = envelope["message"];
    envelope = std::move(inner);
  }
  Message message{.type = text_of(envelope, "type", name),
                  .item_hash = text_of(envelope, "item_hash", name),
                  .sender = text_of(envelope, "sender", name),
                  .chain = text_of(envelope, "chain", name),
                  .channel = text_at(envelope, "channel")};
  message.content = content_of(envelope, name, message.item_hash, content_source);
  check_signature(envelope, name, message);
  message.address = text_of(parse_object(name, message.content, "item_content"), "address", name);
  return message;
}

RuntimeReference runtime_of(const Message& message) {
  const SortedJson content = parse_shallow(message.content);
  SortedJson reference;
  if (message.type == "PROGRAM" && content.contains("runtime")) reference = content["runtime"];
  if (message.type == "INSTANCE" && content.contains("rootfs") && content["rootfs"].is_object() &&
      content["rootfs"].contains("parent"))
    reference = content["rootfs"]["parent"];
  if (!reference.is_object() || !reference.contains("ref") || !reference["ref"].is_string())
    no_message(message.item_hash, "a " + message.type + " names no runtime");
  RuntimeReference found{.ref = reference["ref"].get<std::string>()};
  if (const auto latest = reference.find("use_latest"); latest != reference.end() && latest->is_boolean())
    found.use_latest = latest->get<bool>();
  return found;
}

}  // namespace alephc
