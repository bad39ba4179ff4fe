// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace alephc::alpine {

/// A public key as /etc/apk/keys has it: signatures name it by its file name.
struct Key {
  std::string name{};  ///< "alpine-devel@lists.alpinelinux.org-4a6a0840.rsa.pub"
  std::string pem{};
};

/// An APKINDEX.tar.gz whose signature is good.
struct SignedIndex {
  std::string text{};     ///< of APKINDEX
  std::int64_t date = 0;  ///< when it was made, seconds
  std::string signer{};   ///< fingerprint of the key
};

/// First 40 digits, upper case, of the sha256 of the key's
/// SubjectPublicKeyInfo in DER. Throws if it is not a key.
[[nodiscard]] std::string fingerprint_of(const Key& key);

/// Checks the RSA signature (with SHA-1, as Alpine's own, SHA-256 or SHA-512)
/// of an APKINDEX.tar.gz with the key that it names; nothing but the signature
/// is decoded before. Throws an integrity Error. label: "alpine/v3.20/main".
[[nodiscard]] SignedIndex verify_index(const std::string& bytes, const std::vector<Key>& keys,
                                       const std::string& label);

}  // namespace alephc::alpine
