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

/// How an image is compared.
struct Comparison {
  bool tree_level = false;    ///< the tree digest decides, not the image's bytes
  bool other_packing = false;  ///< made here with libraries that may pack the same tree to other bytes
};

/// Whether an image is the claimed one; `what` is its name in messages. By the tree where the claim names no hash, or
/// where tree_level is set and it names a tree. Nothing where the claim is of a tree and the image's is not known.
[[nodiscard]] std::optional<VerifyCheck> compare_with_claim(const Claim& claim, const ImageResult& image,
                                                            const std::string& what, const Comparison& how);
/// Of a rebuilt image that is not the given one byte for byte: by the tree, and by the bytes unless tree_level is set.
[[nodiscard]] std::vector<VerifyCheck> compare_other_bytes(const ImageResult& given, const ImageResult& rebuilt,
                                                           const Comparison& how);

}  // namespace alephc
