// SPDX-License-Identifier: MIT
#include "message/ethereum.hpp"

#include <set>

#include "base/digest.hpp"
#include "message/keccak.hpp"

namespace alephc {

bool is_ethereum_like(const std::string& chain) {
  static const std::set<std::string> kChains{"ETH",   "BASE",  "ARB",  "BSC", "OP",    "POL",  "AVAX",
                                             "BLAST", "CYBER", "FRAX", "INK", "LINEA", "LISK", "METIS",
                                             "MODE",  "SONIC", "UNI",  "WLD", "ZORA",  "STT",  "HYPE"};
  return kChains.contains(chain);
}

EthereumContext make_ethereum_context() {
  return EthereumContext(secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY));
}

std::string ethereum_address(const secp256k1_context* context, const secp256k1_pubkey& key) {
  std::array<unsigned char, 65> point{};
  std::size_t size = point.size();
  secp256k1_ec_pubkey_serialize(context, point.data(), &size, &key, SECP256K1_EC_UNCOMPRESSED);
  const auto digest = keccak256({reinterpret_cast<const char*>(point.data()) + 1, 64});
  return to_hex({digest.data() + 12, 20});
}

std::array<std::uint8_t, 32> ethereum_message_hash(const std::string& text) {
  return keccak256(
      "\x19"
      "Ethereum Signed Message:\n" +
      std::to_string(text.size()) + text);
}

}  // namespace alephc
