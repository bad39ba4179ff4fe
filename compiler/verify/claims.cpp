// SPDX-License-Identifier: MIT
#include "verify/claims.hpp"

#include "base/cid.hpp"
#include "base/digest.hpp"
#include "pipeline/expectation.hpp"

namespace alephc {
namespace {

bool same_kind(const std::string& a, const std::string& b) {
  if (Digest::from_hex(a) && Digest::from_hex(b)) return true;
  // A CIDv1 may be the re-encoded CIDv0 or that of raw leaves: two that differ may name one image.
  return !cid_digest_hex(a).empty() && !cid_digest_hex(b).empty() && a.starts_with("Qm") && b.starts_with("Qm");
}

VerifyCheck compare_trees_of(const Claim& claim, const TreeDigest& tree, const std::string& what) {
  switch (compare_trees(claim.tree, tree)) {
    case TreeMatch::same:
      return {"tree", Verdict::verified, what + " has the tree digest of " + claim.who};
    case TreeMatch::undecided:
      return {"tree", Verdict::undecided, what + " and " + claim.who + ": " + why_undecided(claim.tree, tree)};
    case TreeMatch::different:
      break;
  }
  const auto [wanted, got] = texts_to_compare(claim.tree, tree);
  return {"tree", Verdict::mismatch, what + " has another tree digest than " + claim.who + ": " + got + ", not " + wanted};
}

}  // namespace

std::vector<VerifyCheck> contradictions(const std::vector<Claim>& claims) {
  std::vector<VerifyCheck> found;
  for (std::size_t i = 0; i < claims.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const Claim& a = claims[i];
      const Claim& b = claims[j];
      if (same_kind(a.hash, b.hash) && a.hash != b.hash)
        found.push_back({"image", Verdict::mismatch, a.who + " says " + a.hash + ", " + b.who + " says " + b.hash});
    }
  return found;
}

std::optional<VerifyCheck> compare_with_claim(const Claim& claim, const ImageResult& image, const std::string& what,
                                              const Comparison& how) {
  if (claim.hash.empty() || (how.tree_level && !claim.tree.is_zero())) {
    if (image.tree.is_zero()) return std::nullopt;
    return compare_trees_of(claim, image.tree, what);
  }
  if (is_hash_of(claim.hash, image)) return VerifyCheck{"image", Verdict::verified, what + " is that of " + claim.who};
  const std::string hashes = hash_like(claim.hash, image) + ", not " + claim.hash;
  const bool other_tree = !claim.tree.is_zero() && compare_trees(claim.tree, image.tree) == TreeMatch::different;
  if (how.other_packing && !other_tree)
    return VerifyCheck{"image", Verdict::undecided,
                       what + " has other bytes than " + claim.who + " says, but libraries of this machine packed it: " + hashes};
  return VerifyCheck{"image", Verdict::mismatch, what + " is not that of " + claim.who + ": " + hashes};
}

std::vector<VerifyCheck> compare_other_bytes(const ImageResult& given, const ImageResult& rebuilt, const Comparison& how) {
  const bool same_tree = compare_trees(given.tree, rebuilt.tree) == TreeMatch::same;
  const auto [theirs, wanted] = texts_to_compare(given.tree, rebuilt.tree);
  std::vector<VerifyCheck> checks;
  if (same_tree)
    checks.push_back({"tree", Verdict::verified, "the image has the rebuilt tree, " + rebuilt.tree.text()});
  else
    checks.push_back({"tree", Verdict::mismatch,
                      "the image has another tree than the rebuilt one: " + theirs + ", not " + wanted});
  if (how.tree_level) return checks;
  const bool undecided = how.other_packing && same_tree;
  checks.push_back({"image", undecided ? Verdict::undecided : Verdict::mismatch,
                    "the image has other bytes than the rebuilt one" +
                        std::string(undecided ? ", but libraries of this machine packed that" : "") + ": " +
                        given.sha256.hex() + ", not " + rebuilt.sha256.hex()});
  return checks;
}

}  // namespace alephc
