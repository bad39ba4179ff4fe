// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tree/tree.hpp"

namespace alephc {

/// What a package draws from the machine's random numbers while it is installed: a key, a cookie, a password, the name of
/// one machine. In an image everyone has it, and it differs from build to build.
struct SharedSecret {
  std::string_view package;  ///< as Debian calls it
  std::string_view what;     ///< for messages: "the key and certificate of the machine"
  /// Patterns as packages.exclude_paths takes them, separated by blanks. All belong together: a certificate is of no use
  /// without its key.
  std::string_view paths;
  std::string_view remake;  ///< a command that makes it on the machine; empty: the package's own service does
};
[[nodiscard]] std::span<const SharedSecret> shared_secrets();

struct FoundSecret {
  const SharedSecret* secret;
  std::vector<std::string> paths{};  ///< without leading slash
};
/// The rows of which a tree holds something. Links to what is found, such as those by hash in /etc/ssl/certs, count.
[[nodiscard]] std::vector<FoundSecret> find_shared_secrets(const Tree& tree);

/// What kind of private key the bytes are the beginning of; empty if of none: PEM and OpenSSH, PGP and GnuPG, PKCS#1,
/// PKCS#8 and PKCS#12 in DER, Java key stores with a key, LUKS volumes, OpenVPN's static keys.
[[nodiscard]] std::string_view private_key_kind(std::string_view bytes);

}  // namespace alephc
