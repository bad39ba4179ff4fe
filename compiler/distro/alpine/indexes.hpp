// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "distro/alpine/sources.hpp"

namespace alephc::alpine {

struct VerifiedSource {
  Source source{};
  SignedIndex index{};
  Digest digest{};  ///< sha256 of the APKINDEX.tar.gz as fetched; it is in the store
};

/// Fetches and verifies the indexes of all sources: signature,
/// pinned key, none older than the previous lock's.
[[nodiscard]] std::vector<VerifiedSource> fetch_indexes(const std::vector<Source>& sources,
                                                        const std::string& arch, const Lock* previous,
                                                        const ToolBox& tools);

/// Checks an APKINDEX.tar.gz against the keys of its source. Throws an integrity Error.
[[nodiscard]] SignedIndex verify_source(const std::string& bytes, const Source& source);

/// Checks the lock's packages against the signed indexes that it names, as far as a server still has them.
[[nodiscard]] std::vector<IndexProof> prove_packages(const Manifest& manifest, const Lock& lock,
                                                     const Mirrors& mirrors, const Keyrings& spare,
                                                     const ToolBox& tools);

}  // namespace alephc::alpine
