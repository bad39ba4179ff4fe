// SPDX-License-Identifier: MIT
#include "verify/checks.hpp"

#include <algorithm>

namespace alephc {

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::verified:
      return "verified";
    case Verdict::mismatch:
      return "mismatch";
    case Verdict::undecided:
      return "undecided";
    case Verdict::ignored:
      return "ignored";
  }
  return "";
}

Verdict conclusion_of(const std::vector<VerifyCheck>& checks) {
  const auto has = [&](Verdict verdict) {
    return std::any_of(checks.begin(), checks.end(),
                       [&](const VerifyCheck& check) { return check.verdict == verdict; });
  };
  if (has(Verdict::mismatch)) return Verdict::mismatch;
  return has(Verdict::verified) && !has(Verdict::undecided) ? Verdict::verified : Verdict::undecided;
}

}  // namespace alephc
