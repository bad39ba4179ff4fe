// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <secp256k1.h>

namespace alephc {

/// Whether a chain has Ethereum's keys, addresses and signatures.
[[nodiscard]] bool is_ethereum_like(const std::string& chain);

struct EthereumContextDestroy {
  void operator()(secp256k1_context* context) const { secp256k1_context_destroy(context); }
};
using EthereumContext = std::unique_ptr<secp256k1_context, EthereumContextDestroy>;

/// To sign and to verify with secp256k1.
[[nodiscard]] EthereumContext make_ethereum_context();

/// Address of a public key, the last 20 bytes of its Keccak-256: 40 hex digits in lower case, without "0x".
[[nodiscard]] std::string ethereum_address(const secp256k1_context* context, const secp256k1_pubkey& key);

/// What is signed of a text by EIP-191: keccak256("\x19Ethereum Signed Message:\n", its length, the text).
[[nodiscard]] std::array<std::uint8_t, 32> ethereum_message_hash(const std::string& text);

}  // namespace alephc
