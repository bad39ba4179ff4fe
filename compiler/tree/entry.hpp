// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.hpp"

namespace alephc {

enum class EntryType : char {
  directory = 'd',
  regular = 'f',
  symlink = 'l',
  char_device = 'c',
  block_device = 'b',
  fifo = 'p',
  whiteout = 'w',  ///< in layers only: the path of the layers below is gone
};

struct Xattr {
  std::string name{};
  std::string value{};
  auto operator<=>(const Xattr&) const = default;
};

/// One path of a tree, as data. Ids are those inside the container, whatever the store's owner is.
struct Entry {
  std::string path{};  ///< relative, bytes, no leading slash; the root is ""
  EntryType type = EntryType::regular;
  std::uint32_t mode = 0;  ///< permission bits with setuid, setgid and sticky; 0777 for symlinks
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime = 0;     ///< seconds; no part of the tree digest
  std::uint64_t size = 0;     ///< regular files
  Digest content{};           ///< sha256, regular files
  std::string link_target{};  ///< symlinks
  std::uint32_t major = 0;    ///< devices
  std::uint32_t minor = 0;
  std::string hard_link{};  ///< first path (byte order) of its hard-link group, empty for that one and for
                            ///< single files
  std::vector<Xattr> xattrs{};  ///< sorted by name

  bool operator==(const Entry&) const = default;
};

/// Sorted by path bytes, unique.
using Listing = std::vector<Entry>;

/// Same thing, apart from the time.
[[nodiscard]] bool same_but_time(const Entry& a, const Entry& b);

[[nodiscard]] std::string parent_path(const std::string& path);  ///< "" for a path of one part
[[nodiscard]] std::string base_name(const std::string& path);
/// The inverse of the two: a name in a folder, which may be the root.
[[nodiscard]] std::string join_path(const std::string& folder, const std::string& name);

/// First entry of the listing at or after path.
[[nodiscard]] Listing::const_iterator lower_bound_path(const Listing& listing, const std::string& path);
[[nodiscard]] const Entry* find_entry(const Listing& listing, const std::string& path);

}  // namespace alephc
