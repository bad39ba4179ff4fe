// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "distro/distro.hpp"
#include "pipeline/locking.hpp"
#include "verify/checks.hpp"

namespace alephc {

/// Refuses what a stranger's project may not do to whoever verifies it: scripts with network, and keys of its own that
/// are not among trusted_keys (fingerprints, or paths of the project). Throws an Error of kind failed.
void confine_project(const Manifest& manifest, const std::set<std::string>& trusted_keys);

/// What the lock chose by itself, against what the manifest says and what this alephc is. unproven is the verdict of
/// what only the lock vouches for.
[[nodiscard]] std::vector<VerifyCheck> judge_lock(const LockedRuntime& runtime, Verdict unproven);

/// Whom the signatures of indexes count for, and when.
struct IndexTrust {
  const Keyrings& bundle_keyrings;
  const std::set<std::string>& trusted_keys;
  std::int64_t now = 0;  ///< Unix seconds
  Verdict unproven = Verdict::verified;
};
/// The lock's packages, by what was proven of the indexes that it names.
[[nodiscard]] std::vector<VerifyCheck> judge_packages(const LockedRuntime& runtime,
                                                      const std::vector<IndexProof>& proofs,
                                                      const IndexTrust& trust);

}  // namespace alephc
