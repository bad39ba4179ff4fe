// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

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

/// The type's part of a mode, S_IFREG and so on; a whiteout is a character device.
[[nodiscard]] mode_t type_bits(EntryType type);
/// Linux's number of a type as ext4 and btrfs have it beside a name; not of whiteouts.
[[nodiscard]] std::uint8_t type_number(EntryType type);
/// Linux's encoding of a device number in 32 bits.
[[nodiscard]] std::uint32_t device_number(const Entry& entry);

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
