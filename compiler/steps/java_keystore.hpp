// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace alephc {

/// A Java trust store (JKS, version 2, nothing but trusted certificates, password "changeit" as distributions
/// have it) with its entries sorted by name and dated time_ms since 1970; they carry the moment of their
/// import. nullopt for anything else: private keys, another password, another format. Layout:
/// sun.security.provider. JavaKeyStore of OpenJDK.
[[nodiscard]] std::optional<std::string> dated_java_trust_store(std::string_view store, std::int64_t time_ms);

}  // namespace alephc
