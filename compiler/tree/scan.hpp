// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "tree/entry.hpp"
#include "tree/known_contents.hpp"

namespace alephc {

struct ScanOptions {
  unsigned jobs = 1;
  bool hash = true;                           ///< false leaves Entry::content zero
  std::optional<std::int64_t> clamp_mtime{};  ///< younger files are given this time, in the folder too
  const KnownContents* known = nullptr;       ///< files that need not be read again
  bool overlay = false;                       ///< the folder is an overlay upper: 0/0 devices are whiteouts
};

/// Paths of an overlay upper whose folder hides everything below it (trusted.overlay.opaque).
struct ScanResult {
  Listing listing{};
  std::vector<std::string> opaque{};
};

/// Reads a folder into a listing: sorted, hard-link groups named by their first path, capabilities as version
/// 2, only security.capability, user.* and POSIX ACL attributes. Sockets are dropped when clamp_mtime is set
/// (leftovers of a step), else an Error names them.
[[nodiscard]] ScanResult scan_folder(const std::filesystem::path& folder, const ScanOptions& options);

/// Attributes that are part of a tree: security.capability, user.* but an overlay's marks, POSIX ACLs.
[[nodiscard]] bool keeps_xattr(std::string_view name);
/// A capability as version 2: one written in a user namespace is version 3 and carries its root's id.
[[nodiscard]] std::string portable_capability(std::string value);

}  // namespace alephc
