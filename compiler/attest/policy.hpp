// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "attest/envelope.hpp"
#include "attest/statement.hpp"

namespace alephc {

/// Whose statements count, and how many of them are needed:
///   policy = 1
///   threshold = 2
///   [[key]]
///   name = "alice"
///   file = "alice.pub"      # beside the policy; or public_key = """PEM"""
struct Policy {
  struct Key {
    std::string name{};
    PublicKey key{};
  };
  std::size_t threshold = 0;
  std::vector<Key> keys{};
};

/// All problems at once, with their places; a key that stands twice is one, or somebody could count double.
[[nodiscard]] Policy read_policy(const std::filesystem::path& file);

/// Names of the policy's keys that signed the envelope.
[[nodiscard]] std::vector<std::string> signers_of(const Policy& policy, const Envelope& envelope);

}  // namespace alephc
