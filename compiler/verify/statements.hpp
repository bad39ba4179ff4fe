// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evidence/policy.hpp"
#include "verify/checks.hpp"
#include "verify/claims.hpp"

namespace alephc {

struct SignedStatement {
  std::string name{};  ///< of its file, for messages
  Envelope envelope{};
};

/// What statements are compared with.
struct StatementSubject {
  std::optional<Digest> lock{};        ///< of the project; nothing: none is looked at
  std::optional<ImageResult> image{};  ///< the given or the rebuilt one
  std::vector<Claim> claims{};
  bool tree_level = false;  ///< the tree decides, not the image's bytes
  bool other_packing = false;  ///< the image was made here with libraries that may pack the same tree to other bytes
  std::int64_t now = 0;     ///< Unix seconds, for keys that are valid for a time
};

/// A check for each statement, and one for the policy: whether enough keys of it say the same of lock, image and tree.
/// Without a policy no key is trusted: a statement that agrees is ignored, one that contradicts still is a mismatch.
[[nodiscard]] std::vector<VerifyCheck> judge_statements(const std::vector<SignedStatement>& statements,
                                                        const std::optional<Policy>& policy,
                                                        const StatementSubject& subject);

}  // namespace alephc
