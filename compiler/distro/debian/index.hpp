// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace alephc::debian {

/// One package of a Packages file; views into the text it was parsed from.
struct IndexedPackage {
  std::string_view name{};
  std::string_view version{};
  std::string_view arch{};
  std::string_view filename{};
  std::string_view priority{};
  std::string_view depends{};
  std::string_view pre_depends{};
  std::string_view provides{};
  std::string_view multi_arch{};
  std::uint64_t size = 0;
  Digest sha256{};
  bool essential = false;
  std::uint32_t source = 0;       ///< number of the repository it comes from
  std::int64_t priority_pin = 0;  ///< apt pin priority of that repository
};

/// Packages files of all repositories of one resolution.
class PackageIndex {
 public:
  /// text must outlive the index.
  void add(std::string_view text, std::uint32_t source, std::int64_t priority_pin = 500);
  [[nodiscard]] const std::vector<IndexedPackage>& packages() const { return packages_; }
  [[nodiscard]] std::vector<const IndexedPackage*> named(std::string_view name) const;
  /// name, version and arch decide; of several the higher pin priority, then the first source wins. Null if
  /// there is none.
  [[nodiscard]] const IndexedPackage* find(std::string_view name, std::string_view version,
                                           std::string_view arch) const;
  /// Packages that provide a virtual package, each once.
  [[nodiscard]] std::vector<std::string> providers_of(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::vector<IndexedPackage> packages_;
  std::multimap<std::string_view, std::size_t> by_name_;
};

}  // namespace alephc::debian
