// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

namespace alephc {

/// A message of the aleph.im network whose hash and signature were checked.
struct Message {
  std::string type{};  ///< "STORE", "PROGRAM", "INSTANCE" …
  std::string item_hash{};
  std::string sender{};
  std::string chain{};
  std::string channel{};  ///< not signed
  std::string content{};  ///< JSON text, as the sender chose it
  std::string address{};  ///< whom the sender speaks for; mostly himself
  /// Empty when the signature was checked; else why it could not be, e.g. a chain that we do not know.
  std::string unchecked{};

  [[nodiscard]] bool speaks_for_himself() const;
};

/// Whether two texts are one address: upper and lower case mean something on every chain but Ethereum's.
[[nodiscard]] bool same_address(const std::string& a, const std::string& b);

/// Gives the content of a message that has it in a file of its own, by the file's hash.
using ContentSource = std::function<std::string(const std::string& hash)>;

/// Takes the answer of a node's /api/v0/messages/HASH, or the message in it. Checks that item_hash is the
/// hash of item_content as received and that the signature is the sender's. Throws an integrity Error when
/// one of these does not hold, a failed one when the text is not a message.
[[nodiscard]] Message parse_message(const std::string& name, const std::string& text,
                                    const ContentSource& content_source = {});

/// What a PROGRAM or INSTANCE message boots from.
struct RuntimeReference {
  std::string ref{};  ///< hash of a STORE message
  bool use_latest = true;
};
[[nodiscard]] RuntimeReference runtime_of(const Message& message);

/// The text that a sender signs.
[[nodiscard]] std::string signed_text(const std::string& chain, const std::string& sender,
                                      const std::string& type, const std::string& item_hash);

}  // namespace alephc
