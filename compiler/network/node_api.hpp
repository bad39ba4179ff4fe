// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/reporter.hpp"
#include "fetch/http_client.hpp"
#include "message/store_message.hpp"

namespace alephc {

/// Where the network is asked. No node is trusted: what comes is checked by hash and signature.
struct NetworkHosts {
  std::vector<std::string> apis{};      ///< "https://HOST", tried in turn
  std::vector<std::string> gateways{};  ///< "https://HOST/ipfs": a CID is appended
};
/// With the network's own hosts where nothing is named.
[[nodiscard]] NetworkHosts with_defaults(NetworkHosts hosts);

/// What a node takes as an upload, in bytes.
struct UploadLimits {
  std::uint64_t storage = 100ULL << 20U;
  std::uint64_t ipfs = 1ULL << 30U;
};

/// How the network has a message.
struct MessageStatus {
  std::string status{};  ///< "pending", "processed", "rejected", "forgotten" …; empty: unknown to it
  std::string detail{};  ///< of a rejection, for people
};

/// The HTTP API of the network's nodes.
class NodeApi {
 public:
  NodeApi(NetworkHosts hosts, FetchOptions options, Reporter& reporter)
      : hosts_(std::move(hosts)), options_(options), client_(options), reporter_(reporter) {}

  /// A message, checked; nothing when every node that answers says that there is none. Throws when none
  /// answers, and an integrity Error when what they have is not what it says.
  [[nodiscard]] std::optional<Message> find_message(const std::string& hash) const;
  /// The newest update of a STORE by its owner; nothing when there is none.
  [[nodiscard]] std::optional<Message> find_update(const StoreMessage& original) const;
  /// Whether a message's address lets its sender speak for it: its "security" aggregate. (A node's word.)
  [[nodiscard]] bool may_speak(const Message& message) const;

  /// Addresses of a file, gateways first for a CID.
  [[nodiscard]] std::vector<std::string> file_urls(const std::string& file_hash) const;

  [[nodiscard]] MessageStatus message_status(const std::string& api, const std::string& item_hash) const;
  /// Nothing when the node does not answer.
  [[nodiscard]] std::optional<UploadLimits> upload_limits(const std::string& api) const;
  [[nodiscard]] bool has_file(const std::string& api, const std::string& file_hash, std::uint64_t size) const;

  [[nodiscard]] const NetworkHosts& hosts() const { return hosts_; }
  [[nodiscard]] const HttpClient& client() const { return client_; }

 private:
  /// The first answer that parses as a message; failures become text.
  [[nodiscard]] std::optional<std::string> get(const std::string& path, std::vector<std::string>& failures,
                                               bool& reachable) const;
  [[nodiscard]] Message parse(const std::string& hash, const std::string& text) const;
  /// One of the first node's list of updates; nothing when it is none, or is not properly signed.
  [[nodiscard]] std::optional<StoreMessage> read_update(const StoreMessage& original,
                                                        const std::string& text) const;

  NetworkHosts hosts_;
  FetchOptions options_;
  HttpClient client_;
  Reporter& reporter_;
};

}  // namespace alephc
