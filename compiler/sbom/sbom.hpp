// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "distro/installed.hpp"
#include "lock/lock.hpp"
#include "tree/tree_digest.hpp"

namespace alephc {

/// A piece of software in an image.
struct SbomComponent {
  std::string name{};
  std::string version{};
  std::string purl{};    ///< package URL (github.com/package-url/purl-spec)
  Digest sha256{};       ///< of the file it came in; zero: unknown
  std::string origin{};  ///< the distribution, "pypi", "npm" or "archive"
};

/// What an image says about itself.
struct SbomSubject {
  std::string name{};
  std::string version{};
  Digest sha256{};  ///< of the image file; zero for a folder
  TreeDigest tree{};
  std::optional<Lock> lock{};                 ///< of the recipe in it
  std::vector<InstalledPackage> installed{};  ///< by its own package database
  std::string system_id{};                    ///< ID of os-release, "debian"
  std::string system_version{};               ///< VERSION_CODENAME or VERSION_ID
  std::string tool_version{};                 ///< of alephc
};

/// From the lock, without what was purged again; without a lock from the package database. Sorted by purl.
[[nodiscard]] std::vector<SbomComponent> components_of(const SbomSubject& subject);

/// SPDX 2.3 as JSON. The same bytes for the same image.
[[nodiscard]] std::string spdx_text(const SbomSubject& subject);
/// CycloneDX 1.5 as JSON. The same bytes for the same image.
[[nodiscard]] std::string cyclonedx_text(const SbomSubject& subject);

}  // namespace alephc
