// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "evidence/envelope.hpp"
#include "evidence/statement.hpp"

namespace alephc {

/// Whose statements count, and how many of them are needed:
///   policy = 1
///   threshold = 2
///   [[key]]
///   name = "alice"
///   file = "alice.pub"           # beside the policy; or public_key = """PEM"""
///   valid_from = "2026-01-01"    # optional: days in UTC on which its statements count, the last one included
///   valid_until = "2027-12-31"
///   revoked = true               # optional: its statements count no longer
struct Policy {
  struct Key {
    std::string name{};
    PublicKey key{};
    std::optional<std::int64_t> valid_from{};   ///< Unix seconds: the first that counts
    std::optional<std::int64_t> valid_until{};  ///< Unix seconds: the first that does not count any more
    bool revoked = false;
  };
  std::size_t threshold = 0;
  std::vector<Key> keys{};
};

/// All problems at once, with their places; a key that stands twice is one, or its owner could count double.
[[nodiscard]] Policy read_policy(const std::filesystem::path& file);

/// The policy's keys that signed the envelope, whether they count or not.
[[nodiscard]] std::vector<const Policy::Key*> signers_of(const Policy& policy, const Envelope& envelope);

/// Why statements by a key do not count at a time; empty: they do. A statement carries no date that could be trusted, so
/// the time is that of the verification.
[[nodiscard]] std::string why_not_valid(const Policy::Key& key, std::int64_t now);

}  // namespace alephc
