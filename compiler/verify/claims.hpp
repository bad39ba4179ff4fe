// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "steps/write.hpp"
#include "verify/checks.hpp"

namespace alephc {

/// A value that an image is compared with, and who says so.
struct Claim {
  std::string who{};
  std::string hash{};  ///< sha256, CIDv0 or CIDv1; empty: none
  TreeDigest tree{};   ///< zero: none
  bool may_be_message = false;
};

/// Two that name the same kind of hash must name the same one. A check for each pair that does not.
[[nodiscard]] std::vector<VerifyCheck> contradictions(const std::vector<Claim>& claims);

/// Whether an image is the claimed one; `what` is its name in messages. By the tree where the claim names no hash, or
/// where tree_level is set and it names a tree. Nothing where the claim is of a tree and the image's is not known.
[[nodiscard]] std::optional<VerifyCheck> compare_with_claim(const Claim& claim, const ImageResult& image,
                                                            const std::string& what, bool tree_level);

}  // namespace alephc
