// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc {

/// A STORE message of the aleph.im network: somebody's signed word that a file is published.
struct StoreMessage {
  std::string item_hash{};  ///< of the message itself
  std::string sender{};
  std::string chain{};
  std::string file_hash{};  ///< sha256 in hex, or a CIDv0 or CIDv1
  /// Empty when the signature was checked; else why it could not be, e.g. a chain that we do not know.
  std::string unchecked{};
  std::string speaks_for{};  ///< another address, for which the sender may or may not speak; mostly empty
};

/// Takes a saved message: the answer of a node's /api/v0/messages/HASH, or the message in it. Checks that
/// item_hash is the sha256 of item_content as received, that the signature is the sender's and that the
/// sender speaks for himself. Throws an integrity Error when one of these does not hold, a failed one when
/// the text is no STORE message.
[[nodiscard]] StoreMessage parse_store_message(const std::string& name, const std::string& text);

}  // namespace alephc
