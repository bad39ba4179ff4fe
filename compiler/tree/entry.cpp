// SPDX-License-Identifier: MIT
#include "tree/entry.hpp"

#include <algorithm>

#include <sys/stat.h>

namespace alephc {

mode_t type_bits(EntryType type) {
  switch (type) {
    using enum EntryType;
    case directory:
      return S_IFDIR;
    case regular:
      return S_IFREG;
    case symlink:
      return S_IFLNK;
    case char_device:
    case whiteout:
      return S_IFCHR;
    case block_device:
      return S_IFBLK;
    case fifo:
      return S_IFIFO;
  }
  return 0;
}

std::uint8_t type_number(EntryType type) {
  switch (type) {
    using enum EntryType;
    case regular:
      return 1;
    case directory:
      return 2;
    case char_device:
      return 3;
    case block_device:
      return 4;
    case fifo:
      return 5;
    case symlink:
      return 7;
    case whiteout:
      break;
  }
  return 0;
}

std::uint32_t device_number(const Entry& entry) {
  return (entry.minor & 0xffU) | (entry.major << 8U) | ((entry.minor & ~0xffU) << 12U);
}

bool same_but_time(const Entry& a, const Entry& b) {
  if (a.mtime == b.mtime) return a == b;
  Entry copy = a;
  copy.mtime = b.mtime;
  return copy == b;
}

std::string parent_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string join_path(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

Listing::const_iterator lower_bound_path(const Listing& listing, const std::string& path) {
  return std::lower_bound(listing.begin(), listing.end(), path,
                          [](const Entry& entry, const std::string& key) { return entry.path < key; });
}

const Entry* find_entry(const Listing& listing, const std::string& path) {
  const auto it = lower_bound_path(listing, path);
  return it != listing.end() && it->path == path ? &*it : nullptr;
}

}  // namespace alephc
