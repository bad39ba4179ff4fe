// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

namespace alephc {

/// A key with which messages are signed: secp256k1 of Ethereum ("ETH"), or Ed25519 of Solana ("SOL"). Its
/// memory is wiped when the object goes.
class Account {
 public:
  /// secret: 32 bytes; of Solana the seed. Throws an Error for a key that the curve does not have.
  Account(std::string chain, const std::array<std::uint8_t, 32>& secret);
  ~Account();
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  [[nodiscard]] const std::string& chain() const { return chain_; }
  /// EIP-55 with its checksum, or base 58 of the public key.
  [[nodiscard]] const std::string& address() const { return address_; }
  /// The signature field of a message over text: "0x" and r, s, v in hex by EIP-191, or a JSON text.
  [[nodiscard]] std::string sign(const std::string& text) const;

 private:
  std::string chain_;
  std::array<std::uint8_t, 32> secret_;
  std::string address_;
};

struct AccountRequest {
  /// "ETH", "SOL", or empty: SOL for a key of 64 bytes, else
  /// as config.json of the network's client says, else ETH.
  std::string chain{};
  std::filesystem::path file{};
  std::filesystem::path fallback_file{};
};

/// The key of file, else of the environment (ALEPH_PRIVATE_KEY_STRING, ALEPH_PRIVATE_KEY,
/// ALEPH_PRIVATE_KEY_FILE), else of fallback_file, else the active one of the network's own client:
/// config.json or private-keys/ in $ALEPH_CONFIG_HOME, $XDG_DATA_HOME/.aleph-im or ~/.aleph-im. Raw bytes,
/// hex, base 58 and a JSON array of bytes are understood. A file that holds no key is an Error: no other one
/// takes its place.
[[nodiscard]] Account load_account(const AccountRequest& request);

/// "0x" and 40 hex digits with the checksum of EIP-55.
[[nodiscard]] std::string checksum_address(const std::string& lower_hex);

}  // namespace alephc
