// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "distro/debian/index.hpp"
#include "distro/debian/release.hpp"
#include "distro/debian/sources.hpp"

namespace alephc::debian {

struct PackagesFile {
  std::string component{};
  std::string arch{};
  Digest digest{};      ///< of the plain text, a blob of the store
  Digest compressed{};  ///< of the form that is fetched; may be in the store too
};

/// A source whose signed index was fetched and verified, with its Packages files in the store.
struct VerifiedSource {
  Source source{};
  Release release{};
  Digest in_release{};  ///< sha256 of the InRelease as fetched
  std::string signer{};  ///< fingerprint of the primary key that is locked
  std::vector<PackagesFile> packages{};
};

/// Fetches and verifies the indexes of all sources: signature, Valid-Until,
/// no Release older than the previous lock's, hash of every Packages file.
/// Sources that are optional and nowhere to be found are left out.
[[nodiscard]] std::vector<VerifiedSource> fetch_indexes(const std::vector<Source>& sources,
                                                        const std::vector<std::string>& archs,
                                                        const Lock* previous, bool allow_older,
                                                        const ToolBox& tools);

/// Brings the Packages files of verified sources into the store and names them in the sources.
void fetch_packages(std::vector<VerifiedSource>& verified, const std::vector<std::string>& archs,
                    const ToolBox& tools);

/// Address of a file of a suite below the address of its archive.
[[nodiscard]] std::string suite_url(const Source& source, const std::string& base, const std::string& file);

/// Where a package of a source is fetched from; its label is the package's name.
[[nodiscard]] RemoteFile file_of(const IndexedPackage& package, const Source& source);

}  // namespace alephc::debian
