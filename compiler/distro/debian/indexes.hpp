// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "distro/debian/release.hpp"
#include "distro/debian/sources.hpp"

namespace alephc::debian {

struct PackagesFile {
  std::string component{};
  std::string arch{};
  Digest digest{};  ///< of the plain text, a blob of the store
};

/// A source whose signed index was fetched and verified, with its Packages files in the store.
struct VerifiedSource {
  Source source{};
  Release release{};
  Digest in_release{};  ///< sha256 of the InRelease as fetched
  std::vector<PackagesFile> packages{};
};

/// Fetches and verifies the indexes of all sources: signature, Valid-Until, no Release older than the
/// previous lock's, hash of every Packages file. Sources that are optional and nowhere to be found are left
/// out.
[[nodiscard]] std::vector<VerifiedSource> fetch_indexes(const std::vector<Source>& sources,
                                                        const std::vector<std::string>& archs,
                                                        const Lock* previous, bool allow_older,
                                                        const ToolBox& tools);

}  // namespace alephc::debian
