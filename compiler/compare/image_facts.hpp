// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "distro/installed.hpp"
#include "tree/entry.hpp"
#include "tree/tree_digest.hpp"

namespace alephc {

/// What is compared of an image, from the outside in.
struct ImageFacts {
  std::filesystem::path path{};
  std::uint64_t size = 0;
  Digest sha256{};  ///< zero for folders
  std::string format{};
  std::vector<std::pair<std::string, std::string>> filesystem{};  ///< fields of the superblock, as text
  Listing listing{};
  TreeDigest tree{};
  std::vector<InstalledPackage> packages{};
  std::map<std::string, std::string> owners{};  ///< path → package
};

/// The outside of an image: size, hash and superblock.
[[nodiscard]] ImageFacts read_outside(const std::filesystem::path& path);
/// Adds what is in it.
void read_inside(ImageFacts& facts, unsigned jobs);

}  // namespace alephc
