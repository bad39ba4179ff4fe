// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace alephc {

enum class Verdict {
  verified,
  mismatch,   ///< exit 3
  undecided,  ///< exit 1: out of reach, not enough to go by
  ignored,    ///< of a check only: it decides nothing
};
[[nodiscard]] const char* verdict_name(Verdict verdict);

struct VerifyCheck {
  std::string name{};  ///< "lock", "indexes", "packages", "message", "image", "rebuild", "tree", "statement", "policy"
  Verdict verdict = Verdict::verified;
  std::string text{};
};

/// One mismatch is a mismatch; else one undecided check leaves all undecided; so does having checked nothing.
[[nodiscard]] Verdict conclusion_of(const std::vector<VerifyCheck>& checks);

}  // namespace alephc
