// SPDX-License-Identifier: MIT
#include "tree/tree_digest.hpp"

#include <algorithm>

#include "tree/listing_text.hpp"

namespace alephc {
namespace {

constexpr std::string_view kVersion2 = "2:";

/// Of what both know; nothing where no version is known to both.
std::optional<bool> same_files(const TreeDigest& a, const TreeDigest& b) {
  if (!a.v2.is_zero() && !b.v2.is_zero()) return a.v2 == b.v2;
  if (!a.v1.is_zero() && !b.v1.is_zero()) return a.v1 == b.v1;
  return std::nullopt;
}

}  // namespace

std::string TreeDigest::text() const {
  return v2.is_zero() ? v1.hex() : std::string(kVersion2) + v2.hex();
}

TreeDigest tree_digest(const Listing& listing, const Digest& outside) {
  std::string text = tree_text(listing);
  TreeDigest digest{.v2 = sha256(text), .outside = outside};
  // The two texts differ in the head, and in what version 1 confuses.
  const bool same_lines = std::none_of(listing.begin(), listing.end(),
                                       [](const Entry& entry) { return entry.hard_link == "-"; });
  text = same_lines ? std::move(text.replace(0, kTreeHead.size(), kTreeHeadV1)) : tree_text_v1(listing);
  digest.v1 = sha256(text);
  return digest;
}

std::optional<TreeDigest> parse_tree_digest(std::string_view text, std::string_view outside) {
  TreeDigest out;
  const bool is_v2 = text.starts_with(kVersion2);
  const auto digest = Digest::from_hex(is_v2 ? text.substr(kVersion2.size()) : text);
  if (!digest || digest->is_zero()) return std::nullopt;
  (is_v2 ? out.v2 : out.v1) = *digest;
  if (outside.empty()) return out;
  const auto rest = Digest::from_hex(outside);
  if (!rest) return std::nullopt;
  out.outside = *rest;
  return out;
}

TreeMatch compare_trees(const TreeDigest& a, const TreeDigest& b) {
  const auto files = same_files(a, b);
  if (!files) return TreeMatch::undecided;
  if (!*files) return TreeMatch::different;
  if (a.outside == b.outside) return TreeMatch::same;
  return a.outside.is_zero() || b.outside.is_zero() ? TreeMatch::undecided : TreeMatch::different;
}

std::string why_undecided(const TreeDigest& a, const TreeDigest& b) {
  if (!same_files(a, b)) return "the tree digests are of different versions, " + a.text() + " and " + b.text();
  return "the files are the same, but only one says what the disk has outside its filesystems";
}

std::pair<std::string, std::string> texts_to_compare(const TreeDigest& a, const TreeDigest& b) {
  if (same_files(a, b).value_or(false))
    return {a.text() + " with " + a.outside.hex() + " outside its filesystems",
            b.text() + " with " + b.outside.hex() + " outside its filesystems"};
  if (a.v2.is_zero() || b.v2.is_zero()) return {a.v1.hex(), b.v1.hex()};
  return {a.text(), b.text()};
}

}  // namespace alephc
