// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
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
  std::string signer{};                      ///< fingerprint of the primary key
  std::string text{};                        ///< what was signed
};

/// Checks the OpenPGP signature of an InRelease with gpgv against a keyring (binary or armored) and returns
/// only what is covered by it. If fingerprint is not empty the good signature must be of that primary key.
/// Throws an integrity Error.
[[nodiscard]] Release verify_release(const std::string& in_release, const std::string& keys,
                                     const std::string& fingerprint, const std::string& label);

/// Parses the text of a Release; no signature is looked at.
[[nodiscard]] Release parse_release(std::string text);

/// "Sat, 11 Jul 2026 10:04:33 UTC" → seconds; 0 when it is no such date.
[[nodiscard]] std::int64_t parse_date(std::string_view text);

}  // namespace alephc::debian
