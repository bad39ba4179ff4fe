// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "tree/entry.hpp"

namespace alephc {

/// Bytes outside 0x21..0x7e, and '%', as %XX.
[[nodiscard]] std::string escape_path(std::string_view bytes);
/// Throws an integrity Error on a bad escape.
[[nodiscard]] std::string unescape_path(std::string_view text);

/// Canonical text of a layer: "alephc-layer 1" and one line an entry, times and whiteouts included. The
/// layer's digest is the sha256 of this text. Fields: path type mode uid gid mtime detail hard-link xattrs
/// ("-" where there is none).
[[nodiscard]] std::string layer_text(const Listing& listing);
/// The inverse; throws an integrity Error when the text is not what layer_text writes.
[[nodiscard]] Listing parse_layer_text(std::string_view text);

inline constexpr std::string_view kTreeHead = "alephc-tree 2\n";
inline constexpr std::string_view kTreeHeadV1 = "alephc-tree 1\n";

/// Canonical text of a whole tree ("alephc-tree 2"); its sha256 is the tree digest (tree/tree_digest.hpp). The text
/// holds no time, no folder size and no link count. Throws when the listing has a whiteout.
[[nodiscard]] std::string tree_text(const Listing& listing);
/// As version 1 had it ("alephc-tree 1"): a hard link to "-" in the root is written as none.
[[nodiscard]] std::string tree_text_v1(const Listing& listing);

}  // namespace alephc
