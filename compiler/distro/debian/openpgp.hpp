// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alephc::debian {

// What surrounds gpgv, which does the cryptography: keyrings (RFC 9580 sections 4, 5.5 and 6) and its status lines
// (GnuPG's doc/DETAILS). Nothing here says that a signature is good unless gpgv did.

/// gpgv reads binary keyrings only; archives publish armored ones. What is not armored comes back as it is. Throws an
/// integrity Error that names the label for broken armor.
[[nodiscard]] std::string without_armor(const std::string& keys, const std::string& label);

struct PublicKeyKind {
  unsigned algorithm = 0;  ///< RFC 9580 section 9.1: 1 RSA, 17 DSA, 19 ECDSA, 22 EdDSA, 27 Ed25519, 28 Ed448
  unsigned bits = 0;       ///< of the modulus; 0 for curves
  bool revoked = false;    ///< the keyring has a revocation of it or of its primary key; whether that is good is not checked
};
/// The primary key or subkey (version 4) with a fingerprint, 40 upper-case hex digits, in a binary keyring.
[[nodiscard]] std::optional<PublicKeyKind> find_key(std::string_view keys, const std::string& fingerprint);

/// Empty, or why signatures by a key of this kind prove nothing: "a key of RSA with 1024 bits".
[[nodiscard]] std::string weakness_of(const PublicKeyKind& kind);

/// What gpgv says about one signature.
struct SignatureStatus {
  enum class Kind { other, good, bad, expired_key, revoked_key, expired_signature, unknown_key };
  Kind kind = Kind::other;
  std::string key_id{};                      ///< 16 hex digits
  std::string key{};                         ///< fingerprint of the key or subkey that made it; empty unless it checks out
  std::string primary{};                     ///< of its primary key
  std::int64_t made = 0;                     ///< as the signature itself says, seconds
  unsigned hash = 0;                         ///< RFC 9580 section 9.5: 1 MD5, 2 SHA-1, 3 RIPEMD-160, 8 SHA-256
  std::vector<std::int64_t> key_expiries{};  ///< of the key and its primary, as far as they have passed
};
/// True for MD5, SHA-1, RIPEMD-160 and the numbers that the standard reserves.
[[nodiscard]] bool is_weak_hash(unsigned hash);

/// Since when the key of a signature is expired that was valid at a time, and when the signature was made; in seconds.
/// Nothing if the key was not valid then, or if gpgv does not say when it ended.
[[nodiscard]] std::optional<std::int64_t> expired_since(const SignatureStatus& status, std::int64_t at);

/// From the lines of --status-fd, in the order of the file's signatures.
[[nodiscard]] std::vector<SignatureStatus> parse_gpgv_status(std::string_view text);

}  // namespace alephc::debian
