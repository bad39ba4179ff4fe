// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/cid.hpp"
#include "network/node_api.hpp"

namespace alephc {

struct PublishRequest {
  std::filesystem::path image{};
  FileHashes hashes{};    ///< of the image
  std::string address{};  ///< whom the account speaks for; empty: itself
  std::string channel = "ALEPH-CLOUDSOLUTIONS";
  std::string ref{};             ///< hash of the original STORE message that this updates
  std::string payment{};         ///< "credit", "hold" or empty
  std::string storage = "auto";  ///< "storage", "ipfs"
  RecipeReference recipe{};
  std::map<std::string, std::string> metadata{};
  bool dry_run = false;
};

struct PublishOutcome {
  SignedMessage message{};
  std::string item_type{};
  std::string file_hash{};
  std::uint64_t size = 0;
  std::string sha256{};
  std::string cid_v0{};
  std::string status{};  ///< "processed", "pending"; of a dry run "dry run"
  std::string api{};     ///< the node that took it
};

/// Signs a STORE message for the image and sends both to a node. What was signed is kept in
/// IMAGE.publish.json until the network has it, so that a second try sends the same message, and only what is
/// still missing. The hash that the node gives is compared with ours; every refusal is explained.
[[nodiscard]] PublishOutcome publish_image(const PublishRequest& request, const Account& account,
                                           const NodeApi& api, Reporter& reporter);

/// Writes item_hash and message into [expect] of a manifest, and leaves the rest of its text alone.
void write_expectation(const std::filesystem::path& manifest_file, const std::string& file_hash,
                       const std::string& message_hash);

}  // namespace alephc
