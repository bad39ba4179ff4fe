// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc {

enum class SignatureCheck { good, bad, unknown_chain };

/// Whether signature is sender's over text, by the chain's own rules: secp256k1 with recovery and EIP-191 for
/// Ethereum and its relatives, Ed25519 for Solana and Eclipse. sender is an address as the chain writes it.
[[nodiscard]] SignatureCheck check_signature_of(const std::string& chain, const std::string& sender,
                                                const std::string& text, const std::string& signature);

}  // namespace alephc
