// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fetch/fetcher.hpp"
#include "network/node_api.hpp"
#include "store/store.hpp"

namespace alephc {

/// One thing that was checked on the way from a hash to bytes.
struct PullCheck {
  std::string name{};  ///< "message", "delegation", "update", "lookup", "file"
  std::string text{};
  bool proven = true;  ///< false: a node's word only
};

struct PulledFile {
  Digest sha256{};          ///< the file is in the store under it
  std::string file_hash{};  ///< as it was published: sha256 or CID
  std::optional<StoreMessage> store_message{};
  std::vector<PullCheck> checks{};
};

/// Walks from a hash to the file that it means: a PROGRAM or INSTANCE message to its runtime, that to its
/// newest update where the message says so, a STORE message to its file; another hash is a file's. Every
/// message's hash and signature and the file's hash are checked; a gateway that gives other bytes is passed
/// over. The file enters the store.
[[nodiscard]] PulledFile pull_file(const std::string& hash, const NodeApi& api, const Fetcher& fetcher);

/// 64 hex digits, a CIDv0 or a CIDv1: what pull and verify understand beside paths.
[[nodiscard]] bool is_network_hash(const std::string& text);

}  // namespace alephc
