// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace alephc {

/// An Ed25519 public key.
struct PublicKey {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const PublicKey&) const = default;
  /// sha256 of the key's DER form (RFC 8410) in hex: names the key in envelopes.
  [[nodiscard]] std::string id() const;
};

/// An Ed25519 private key; its memory is wiped when the object goes.
class PrivateKey {
 public:
  explicit PrivateKey(const std::array<std::uint8_t, 32>& seed);
  ~PrivateKey();
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;
  [[nodiscard]] PublicKey public_key() const;
  [[nodiscard]] std::string sign(std::string_view data) const;  ///< 64 bytes
  [[nodiscard]] std::string pem() const;                        ///< PKCS #8, RFC 8410

 private:
  std::array<std::uint8_t, 64> secret_{};  // seed, then public key, as libsodium has it
};

[[nodiscard]] PrivateKey generate_key();
/// Reads the PEM that `openssl genpkey -algorithm ed25519` and `alephc keygen` write.
[[nodiscard]] PrivateKey read_private_key(const std::filesystem::path& file);

[[nodiscard]] std::string public_pem(const PublicKey& key);
/// name is that of the file, for messages.
[[nodiscard]] PublicKey parse_public_key(const std::string& name, const std::string& pem);

[[nodiscard]] bool is_signed_by(const PublicKey& key, std::string_view data, std::string_view signature);

/// Standard alphabet with padding; throws nothing, an empty text means bad input (or none).
[[nodiscard]] std::string from_base64(std::string_view text);

}  // namespace alephc
