// SPDX-License-Identifier: MIT
#include "network/node_api.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kLargestContent = 4U << 20U;

/// What nodes mean by their numbers. (aleph.im, "error codes of messages")
std::string meaning_of(std::int64_t code) {
  switch (code) {
    case 1:
      return "the message's format is wrong";
    case 2:
      return "the signature is not the sender's";
    case 5:
      return "the balance is not enough";
    case 6:
      return "the credits are not enough";
    case 200:
      return "the STORE message that --ref names is not known";
    case 201:
      return "--ref names an update: it must name the original";
    case 202:
      return "this way to pay is not accepted";
    default:
      return "error code " + std::to_string(code);
  }
}

bool lists(const SortedJson& grant, const char* key, const std::string& value) {
  const auto list = grant.find(key);
  return list == grant.end() || !list->is_array() || list->empty() ||
         std::find(list->begin(), list->end(), value) != list->end();
}

/// What is not named in a grant is allowed.
bool covers(const SortedJson& grant, const Message& message) {
  if (!grant.is_object() || !same_address(text_at(grant, "address"), message.sender)) return false;
  const std::string chain = text_at(grant, "chain");
  return (chain.empty() || chain == message.chain) && lists(grant, "types", message.type) &&
         lists(grant, "channels", message.channel);
}

[[noreturn]] void nobody_answers(const std::vector<std::string>& failures) {
  Diagnostic problem{.message = "no node of the network can be reached", .context = failures};
  problem.hint = "check the network, or name a node with --api";
  throw Error(ErrorKind::failed, std::move(problem));
}

}  // namespace

NetworkHosts with_defaults(NetworkHosts hosts) {
  if (hosts.apis.empty())
    hosts.apis = {"https://api2.aleph.im", "https://api.aleph.im", "https://official.aleph.cloud"};
  if (hosts.gateways.empty())
    hosts.gateways = {"https://ipfs.aleph.im/ipfs", "https://ipfs.aleph.cloud/ipfs"};
  for (auto* list : {&hosts.apis, &hosts.gateways})
    for (std::string& url : *list)
      while (url.ends_with('/')) url.pop_back();
  return hosts;
}

std::optional<std::string> NodeApi::get(const std::string& path, std::vector<std::string>& failures,
                                        bool& reachable) const {
  if (options_.offline) throw Error(ErrorKind::failed, "the network is needed, but --offline forbids it");
  for (const std::string& api : hosts_.apis) {
    const HttpReply reply = client_.get(api + path, kLargestContent);
    if (reply.status == 200) return reply.body;
    if (reply.status == 404) {
      reachable = true;
      continue;
    }
    failures.push_back(public_url(api) + ": " + reply.problem());
    reporter_.detail("network: " + failures.back());
  }
  return std::nullopt;
}

Message NodeApi::parse(const std::string& hash, const std::string& text) const {
  const auto content = [&](const std::string& item_hash) {
    std::vector<std::string> failures;
    bool reachable = false;
    auto body = get("/api/v0/storage/raw/" + item_hash, failures, reachable);
    if (!body)
      throw Error(ErrorKind::failed, "no node has the content of the message " + item_hash,
                  "try another node with --api");
    return std::move(*body);
  };
  return parse_message(hash, text, content);
}

std::optional<Message> NodeApi::find_message(const std::string& hash) const {
  std::vector<std::string> failures;
  std::optional<Error> problem;
  bool reachable = false;
  for (const std::string& api : hosts_.apis) {
    NodeApi one({{api}, {}}, options_, reporter_);
    const auto text = one.get("/api/v0/messages/" + hash, failures, reachable);
    if (!text) continue;
    reachable = true;
    if (const std::string status = text_at(parse_shallow(*text), "status");
        !status.empty() && status != "processed") {
      // One node's word: another may have it.
      if (!problem)
        problem = Error(ErrorKind::failed, public_url(api) + " has the message " + hash + " as " + status,
                        status == "pending" ? "try again in a minute" : "it is not valid there");
      continue;
    }
    try {
      Message message = one.parse(hash, *text);
      if (message.item_hash != hash)
        throw Error(ErrorKind::integrity, public_url(api) + " gave another message than " + hash);
      return message;
    } catch (const Error& error) {
      // One that lies is passed over, and reported only when none tells the truth.
      reporter_.diagnostic({.severity = Severity::warning, .message = public_url(api) + ": " + error.what()});
      if (!problem || problem->kind() != ErrorKind::integrity) problem = error;
    }
  }
  if (problem) throw Error(*problem);
  if (!reachable) nobody_answers(failures);
  return std::nullopt;
}

std::optional<StoreMessage> NodeApi::read_update(const StoreMessage& original,
                                                 const std::string& text) const {
  try {
    Message message = parse(original.message.item_hash, text);
    // Nothing that the user named leads to an update but its signature.
    if (!message.unchecked.empty() || message.type != "STORE" ||
        !same_address(message.address, original.message.address))
      return std::nullopt;
    StoreMessage update = as_store_message(std::move(message));
    if (update.ref == original.message.item_hash) return update;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    reporter_.diagnostic({.severity = Severity::warning,
                          .message = public_url(hosts_.apis.front()) + ": an update: " + error.what()});
  }
  return std::nullopt;
}

std::optional<Message> NodeApi::find_update(const StoreMessage& original) const {
  const std::string path = "/api/v0/messages.json?msgTypes=STORE&refs=" + original.message.item_hash +
                           "&owners=" + original.message.address + "&sortOrder=-1&pagination=20&page=1";
  std::vector<std::string> failures;
  bool reachable = false;
  std::optional<StoreMessage> newest;
  // A node can hold an update back, but not make one up: all are asked, and the signed time decides.
  for (const std::string& api : hosts_.apis) {
    const NodeApi one({{api}, {}}, options_, reporter_);
    const auto text = one.get(path, failures, reachable);
    if (!text) continue;
    reachable = true;
    const SortedJson json = parse_shallow(*text);
    if (!json.is_object() || !json.contains("messages") || !json["messages"].is_array()) continue;
    for (const SortedJson& item : json["messages"])
      if (auto update = one.read_update(original, json_text(item));
          update && (!newest || update->time > newest->time))
        newest = std::move(update);
  }
  if (!reachable) nobody_answers(failures);
  if (!newest) return std::nullopt;
  return std::move(newest->message);
}

bool NodeApi::may_speak(const Message& message) const {
  std::vector<std::string> failures;
  bool reachable = false;
  const auto text = get("/api/v0/aggregates/" + message.address + ".json?keys=security", failures, reachable);
  const SortedJson json = parse_shallow(text.value_or(""));
  if (!json.is_object() || !json.contains("data") || !json["data"].is_object()) return false;
  const SortedJson security = json["data"].value("security", SortedJson::object());
  if (!security.is_object() || !security.contains("authorizations")) return false;
  const SortedJson& grants = security["authorizations"];
  return std::any_of(grants.begin(), grants.end(),
                     [&](const SortedJson& grant) { return covers(grant, message); });
}

std::vector<std::string> NodeApi::file_urls(const std::string& file_hash) const {
  std::vector<std::string> urls;
  if (!Digest::from_hex(file_hash))
    for (const std::string& gateway : hosts_.gateways) urls.push_back(gateway + "/" + file_hash);
  for (const std::string& api : hosts_.apis) urls.push_back(api + "/api/v0/storage/raw/" + file_hash);
  return urls;
}

MessageStatus NodeApi::message_status(const std::string& api, const std::string& item_hash) const {
  const HttpReply reply = client_.get(api + "/api/v0/messages/" + item_hash);
  MessageStatus status;
  const SortedJson json = parse_shallow(reply.body);
  if (reply.status != 200 || !json.is_object()) return status;
  status.status = text_at(json, "status");
  if (const auto code = json.find("error_code"); code != json.end() && code->is_number_integer())
    status.detail = meaning_of(code->get<std::int64_t>());
  if (const auto details = json.find("details"); details != json.end() && !details->is_null())
    status.detail += (status.detail.empty() ? "" : ": ") + printable(details->dump());
  return status;
}

std::optional<UploadLimits> NodeApi::upload_limits(const std::string& api) const {
  UploadLimits limits;
  const HttpReply reply = client_.get(api + "/api/v0/storage/limits.json");
  if (reply.status == 0) return std::nullopt;
  const SortedJson json = parse_shallow(reply.body);
  if (reply.status != 200 || !json.is_object()) return limits;  // an older node
  const auto read = [&](const char* table, const char* key, std::uint64_t& into) {
    if (json.contains(table) && json[table].is_object() && json[table].contains(key) &&
        json[table][key].is_number_unsigned())
      into = json[table][key].get<std::uint64_t>();
  };
  read("storage", "max_file_size", limits.storage);
  read("ipfs", "max_upload_file_size", limits.ipfs);
  return limits;
}

bool NodeApi::has_file(const std::string& api, const std::string& file_hash, std::uint64_t size) const {
  const HttpReply reply = client_.head(api + "/api/v0/storage/raw/" + file_hash);
  return reply.status == 200 && (reply.length == 0 || reply.length == size);
}

}  // namespace alephc
