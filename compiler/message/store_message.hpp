// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>

#include "message/account.hpp"
#include "message/message.hpp"

namespace alephc {

/// Where the recipe of a published image is: metadata.alephc of its STORE message.
struct RecipeReference {
  std::string lock{};        ///< sha256 of runtime.lock
  std::string tree{};        ///< tree digest of the image
  std::string epoch{};       ///< output epoch
  std::string repository{};  ///< git repository
  std::string revision{};    ///< commit in it
  std::string path{};        ///< of the manifest in it
  std::string bundle{};      ///< file hash of a bundle
};

/// A STORE message: the sender's signed word that a file is published.
struct StoreMessage {
  Message message{};
  std::string item_type{};  ///< "storage" or "ipfs"
  std::string file_hash{};  ///< sha256 in hex, or a CIDv0 or CIDv1
  std::string ref{};        ///< of an update: the original
  double time = 0;          ///< Unix seconds, as signed
  RecipeReference recipe{};
};

/// parse_message for a STORE; a message of another type is a failed Error.
[[nodiscard]] StoreMessage parse_store_message(const std::string& name, const std::string& text);
[[nodiscard]] StoreMessage as_store_message(Message message);

/// What a STORE message is to say.
struct StoreRequest {
  std::string address{};    ///< empty: the account's own
  std::string item_type{};  ///< "storage" or "ipfs"
  std::string file_hash{};
  std::string ref{};
  std::string payment{};  ///< "credit", "hold" or empty
  std::string channel = "ALEPH-CLOUDSOLUTIONS";
  RecipeReference recipe{};
  std::map<std::string, std::string> metadata{};
  double time = 0;  ///< Unix seconds
};

/// A signed message, ready to be sent.
struct SignedMessage {
  std::string item_hash{};
  std::string envelope{};  ///< JSON text
};

/// Serialises and signs: inline, keys in the order of the network's own client, no blanks, non-ASCII escaped.
/// A usage Error for more than nodes take inline.
[[nodiscard]] SignedMessage sign_store_message(const StoreRequest& request, const Account& account);

}  // namespace alephc
