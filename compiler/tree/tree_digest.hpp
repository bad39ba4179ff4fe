// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.hpp"
#include "tree/entry.hpp"

namespace alephc {

/// What a tree is known by, whatever format holds it. Version 2 is the sha256 of tree_text() and is written "2:HEX".
/// Version 1 is written as bare hex; its text confuses a hard link to a file called "-" with no link, so it is only
/// compared where one side has no other. A digest that was computed has both, one that was parsed has the one it names.
struct TreeDigest {
  Digest v1{};       ///< zero: not known
  Digest v2{};       ///< zero: not known
  Digest outside{};  ///< what an image has beside the filesystem of the tree: of a disk all else (image/disk/outside.hpp), of a bare
                     ///< ext4 or btrfs a boot sector that is not zeros; zero: nothing, or not known

  bool operator==(const TreeDigest&) const = default;
  [[nodiscard]] bool is_zero() const { return v1.is_zero() && v2.is_zero(); }
  /// "2:HEX", or bare hex where only version 1 is known. Without `outside`, which has a field of its own everywhere.
  [[nodiscard]] std::string text() const;
};

/// Throws when the listing has a whiteout.
[[nodiscard]] TreeDigest tree_digest(const Listing& listing, const Digest& outside = {});

/// Nothing when the text is neither "2:HEX" nor bare hex, or the other is not hex or empty.
[[nodiscard]] std::optional<TreeDigest> parse_tree_digest(std::string_view text, std::string_view outside = {});

enum class TreeMatch {
  same,
  different,
  undecided,  ///< no version in common, or only one says what is outside a disk's filesystems
};
[[nodiscard]] TreeMatch compare_trees(const TreeDigest& a, const TreeDigest& b);

/// Of an undecided comparison, why it is: "the files are the same, and only one says what …".
[[nodiscard]] std::string why_undecided(const TreeDigest& a, const TreeDigest& b);

/// For messages: the two as texts, with what is outside a disk's filesystems only where that is what differs.
[[nodiscard]] std::pair<std::string, std::string> texts_to_compare(const TreeDigest& a, const TreeDigest& b);

}  // namespace alephc
