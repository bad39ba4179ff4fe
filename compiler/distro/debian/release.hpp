// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"

namespace alephc::debian {

struct IndexFile {
  Digest sha256{};
  std::uint64_t size = 0;
};

/// A verified Release file.
struct Release {
  std::string origin{};
  std::string label{};
  std::string suite{};
  std::string codename{};
  std::int64_t date = 0;
  std::int64_t valid_until = 0;  ///< 0: for ever
  bool by_hash = false;
  std::map<std::string, IndexFile> files{};  ///< "main/binary-amd64/Packages.xz"
  /// Fingerprints of the primary keys with a good signature, each with the time since when it is expired; 0: it is not.
  std::map<std::string, std::int64_t> signers{};
  std::string text{};  ///< what was signed
};

/// When a key must be valid for its signature to count.
enum class KeyTime {
  now,      ///< for what is locked now
  release,  ///< at the Release's date, and when it was signed: for what was locked in the past
};

struct TrustedKeys {
  std::string keys{};         ///< a keyring, binary or armored
  std::string fingerprint{};  ///< if not empty, the good signature must be of this primary key
  KeyTime time = KeyTime::now;
};

/// Checks the OpenPGP signature of an InRelease with gpgv and returns only what is covered by it. Signatures over weak
/// digests (MD5, SHA-1, RIPEMD-160), by weak keys (RSA below 2048 bits, DSA) and by revoked keys do not count. Throws an
/// integrity Error; `label` names the Release in it.
[[nodiscard]] Release verify_release(const std::string& in_release, const TrustedKeys& trusted, const std::string& label);

/// Parses the text of a Release; no signature is looked at. Throws an integrity Error for one that is ambiguous, has no
/// readable date or an end of validity that cannot be read.
[[nodiscard]] Release parse_release(std::string text);

/// Throws an integrity Error unless the Release is that of a suite: a mirror may serve the signed one of another. A
/// Release that names neither suite nor codename is that of any.
void check_suite(const Release& release, const std::string& suite, const std::string& label);

/// "Sat, 11 Jul 2026 10:04:33 UTC" → seconds. Nothing for what is not such a date, in UTC.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text);

}  // namespace alephc::debian
