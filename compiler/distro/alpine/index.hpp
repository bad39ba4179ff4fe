// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "distro/alpine/dependency.hpp"

namespace alephc::alpine {

/// One package of an APKINDEX, or of its own .PKGINFO; views into the text it was parsed from.
struct IndexedPackage {
  std::string_view identity{};  ///< "Q1" and the base64 of the sha1 of its control member
  std::string_view name{};
  std::string_view version{};
  std::string_view arch{};
  std::uint64_t size = 0;
  std::uint64_t priority = 0;  ///< of what it provides
  std::vector<Dependency> depends{};
  std::vector<Dependency> provides{};
  std::vector<Dependency> install_if{};
  bool usable = true;        ///< no field that must be understood and is not
  std::uint32_t source = 0;  ///< number of its repository
};

/// "Q1" and the base64 of a sha1.
[[nodiscard]] std::string identity_of(std::string_view sha1);

/// Packages of one or more APKINDEX files (apk-tools' format of letters: "P:name", an empty line after each).
class PackageIndex {
 public:
  /// Packages of other architectures than this and noarch
  /// are left out, and those with fields that no one knows.
  explicit PackageIndex(std::string arch) : arch_(std::move(arch)) {}

  /// The text must outlive the index. A stanza without name,
  /// version or identity is refused with an integrity Error.
  void add(std::string_view text, std::uint32_t source);

  [[nodiscard]] const std::vector<IndexedPackage>& packages() const { return packages_; }
  /// Numbers of the packages of a name; empty if there is none.
  [[nodiscard]] const std::vector<std::uint32_t>& named(std::string_view name) const;
  /// Names of packages, for suggestions.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::string arch_;
  std::vector<IndexedPackage> packages_;
  std::unordered_map<std::string_view, std::vector<std::uint32_t>> by_name_;
};

}  // namespace alephc::alpine
