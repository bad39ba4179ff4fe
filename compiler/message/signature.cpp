// SPDX-License-Identifier: MIT
#include "message/signature.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <secp256k1_recovery.h>
#include <sodium.h>

#include "base/cid.hpp"
#include "base/digest.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "message/ethereum.hpp"

namespace alephc {
namespace {

const unsigned char* bytes_of(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// Empty when the text is not hex of that many bytes.
std::string from_hex(std::string_view hex, std::size_t size) {
  std::string out(size, '\0');
  std::size_t length = 0;
  const int result = ::sodium_hex2bin(reinterpret_cast<unsigned char*>(out.data()), size, hex.data(),
                                      hex.size(), nullptr, &length, nullptr);
  return result == 0 && length == size && hex.size() == 2 * size ? out : std::string();
}

/// "0x" and the last 20 bytes of the Keccak-256 of the public key, in lower case; empty for a bad signature.
std::string recovered_address(const std::string& text, const std::string& signature) {
  constexpr std::size_t kSize = 65;
  const std::string raw =
      from_hex(std::string_view(signature).substr(signature.starts_with("0x") ? 2 : 0), kSize);
  if (raw.empty()) return {};
  int recovery = static_cast<unsigned char>(raw.back());
  if (recovery >= 27) recovery -= 27;
  if (recovery > 1) return {};
  const std::array<std::uint8_t, 32> hash = ethereum_message_hash(text);
  const EthereumContext context = make_ethereum_context();
  secp256k1_ecdsa_recoverable_signature parsed{};
  secp256k1_pubkey key{};
  if (secp256k1_ecdsa_recoverable_signature_parse_compact(context.get(), &parsed, bytes_of(raw), recovery) !=
          1 ||
      secp256k1_ecdsa_recover(context.get(), &key, &parsed, hash.data()) != 1)
    return {};
  return "0x" + ethereum_address(context.get(), key);
}

bool good_ethereum(const std::string& sender, const std::string& text, const std::string& signature) {
  const std::string address = recovered_address(text, signature);
  return !address.empty() && address == to_lower(sender);
}

bool good_solana(const std::string& sender, const std::string& text, const std::string& signature) {
  const auto json = parse_shallow(signature);
  if (text_at(json, "publicKey") != sender) return false;
  const std::string key = decode_base58(sender);
  const std::string raw = decode_base58(text_at(json, "signature"));
  if (key.size() != crypto_sign_PUBLICKEYBYTES || raw.size() != crypto_sign_BYTES) return false;
  return ::crypto_sign_verify_detached(bytes_of(raw), bytes_of(text), text.size(), bytes_of(key)) == 0;
}

}  // namespace

SignatureCheck check_signature_of(const std::string& chain, const std::string& sender,
                                  const std::string& text, const std::string& signature) {
  bool good = false;
  // Avalanche has addresses of another kind beside Ethereum's.
  if (is_ethereum_like(chain) && !sender.starts_with("X-") && !sender.starts_with("P-"))
    good = good_ethereum(sender, text, signature);
  else if (chain == "SOL" || chain == "ES")
    good = good_solana(sender, text, signature);
  else
    return SignatureCheck::unknown_chain;
  return good ? SignatureCheck::good : SignatureCheck::bad;
}

}  // namespace alephc
