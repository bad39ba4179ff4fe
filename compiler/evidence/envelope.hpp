// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "evidence/key.hpp"

namespace alephc {

/// A DSSE envelope (github.com/secure-systems-lab/dsse,
/// envelope.md, version 1.0.2) around an in-toto statement.
struct Envelope {
  std::string payload{};  ///< the statement's bytes as signed
  struct Signature {
    std::string key_id{};
    std::string bytes{};
  };
  std::vector<Signature> signatures{};
};

inline constexpr const char* kStatementType = "application/vnd.in-toto+json";

[[nodiscard]] std::string sign_envelope(const std::string& payload, const PrivateKey& key);
/// Throws a failed Error that names the file when the text is not such an envelope. Nothing is trusted by it yet.
[[nodiscard]] Envelope parse_envelope(const std::string& name, const std::string& text);
[[nodiscard]] bool is_signed_by(const PublicKey& key, const Envelope& envelope);

}  // namespace alephc
