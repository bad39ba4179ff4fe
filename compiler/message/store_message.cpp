// SPDX-License-Identifier: MIT
#include "message/store_message.hpp"

#include <array>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/json.hpp"

namespace alephc {
namespace {

constexpr std::size_t kLargestInline = 200'000;  // characters

constexpr std::array kRecipeKeys{
    std::pair{"lock", &RecipeReference::lock},         std::pair{"tree", &RecipeReference::tree},
    std::pair{"epoch", &RecipeReference::epoch},       std::pair{"repository", &RecipeReference::repository},
    std::pair{"revision", &RecipeReference::revision}, std::pair{"path", &RecipeReference::path},
    std::pair{"bundle", &RecipeReference::bundle},
};

/// Only as good as whoever signed the message: everything in it is checked again where it is used.
RecipeReference recipe_of(const SortedJson& content) {
  RecipeReference recipe;
  if (!content.contains("metadata") || !content["metadata"].is_object()) return recipe;
  const SortedJson& metadata = content["metadata"];
  if (!metadata.contains("alephc") || !metadata["alephc"].is_object()) return recipe;
  for (const auto& [key, member] : kRecipeKeys) recipe.*member = text_at(metadata["alephc"], key);
  return recipe;
}

Json metadata_of(const StoreRequest& request) {
  Json metadata = Json::object();
  Json recipe = Json::object();
  for (const auto& [key, member] : kRecipeKeys)
    if (!(request.recipe.*member).empty()) recipe[key] = request.recipe.*member;
  if (!recipe.empty()) metadata["alephc"] = recipe;
  for (const auto& [key, value] : request.metadata) metadata[key] = value;
  return metadata;
}

double time_of(const SortedJson& content) {
  const auto time = content.find("time");
  return time != content.end() && time->is_number() ? time->get<double>() : 0;
}

std::string compact(const Json& json) {
  return ascii_json_text(json);
}

}  // namespace

StoreMessage as_store_message(Message message) {
  if (message.type != "STORE")
    throw Error(ErrorKind::failed, message.item_hash + " is not a STORE message: its type is " + message.type);
  const SortedJson content = parse_shallow(message.content);
  StoreMessage store{.item_type = text_at(content, "item_type"),
                     .file_hash = text_at(content, "item_hash"),
                     .ref = text_at(content, "ref"),
                     .time = time_of(content),
                     .recipe = recipe_of(content)};
  if (store.file_hash.empty())
    throw Error(ErrorKind::failed, message.item_hash + " is not a STORE message: it names no file");
  store.message = std::move(message);
  return store;
}

StoreMessage parse_store_message(const std::string& name, const std::string& text) {
  return as_store_message(parse_message(name, text));
}

SignedMessage sign_store_message(const StoreRequest& request, const Account& account) {
  Json content;
  content["address"] = request.address.empty() ? account.address() : request.address;
  content["time"] = request.time;
  content["item_type"] = request.item_type;
  content["item_hash"] = request.file_hash;
  if (!request.ref.empty()) content["ref"] = request.ref;
  if (Json metadata = metadata_of(request); !metadata.empty()) content["metadata"] = std::move(metadata);
  if (!request.payment.empty()) content["payment"] = {{"chain", account.chain()}, {"type", request.payment}};
  const std::string text = compact(content);
  if (text.size() > kLargestInline)
    throw Error(ErrorKind::usage,
                "the message has " + std::to_string(text.size()) + " characters, and nodes take " +
                    std::to_string(kLargestInline),
                "give less --metadata");
  SignedMessage out{.item_hash = sha256(text).hex()};
  Json envelope;
  envelope["sender"] = account.address();
  envelope["chain"] = account.chain();
  envelope["type"] = "STORE";
  envelope["channel"] = request.channel;
  envelope["time"] = request.time;
  envelope["item_type"] = "inline";
  envelope["item_content"] = text;
  envelope["item_hash"] = out.item_hash;
  envelope["signature"] =
      account.sign(signed_text(account.chain(), account.address(), "STORE", out.item_hash));
  out.envelope = compact(envelope);
  return out;
}

}  // namespace alephc
