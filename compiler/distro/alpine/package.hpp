// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "distro/alpine/index.hpp"

namespace alephc::alpine {

/// The .PKGINFO of a package: lines "KEY = VALUE", see abuild's description of the format (apk v2).
struct PackageInfo {
  std::string name{};
  std::string version{};
  std::string arch{};
  std::string description{};
  std::string url{};
  std::string license{};
  std::string origin{};
  std::string maintainer{};
  std::string build_time{};  ///< seconds, decimal
  std::string commit{};
  std::string installed_size{};  ///< bytes, decimal
  std::string provider_priority{};
  std::string replaces_priority{};
  std::vector<std::string> depends{};
  std::vector<std::string> provides{};
  std::vector<std::string> install_if{};
  std::vector<std::string> replaces{};
  std::vector<std::string> triggers{};  ///< globs of folders
  std::string datahash{};               ///< sha256 of the compressed data member, hex

  [[nodiscard]] std::int64_t built() const;  ///< seconds, 0 if unknown
};

/// Throws an integrity Error when it names no package that could be installed.
[[nodiscard]] PackageInfo parse_package_info(std::string_view text);

/// A package file that holds together: its data is what its control member promises.
struct CheckedPackage {
  PackageInfo info{};
  std::string identity{};
};
/// Reads the control member of a package file and checks the rest against it. Throws an integrity Error.
[[nodiscard]] CheckedPackage read_package(int fd);

/// Throws an integrity Error if the data member has another hash than the package promises.
void check_data(const PackageInfo& info, const Digest& data);

/// The lines of a package in an index and in apk's database, without an empty line: "C:…\nP:…\n …".
[[nodiscard]] std::string index_entry(const PackageInfo& info, const std::string& identity,
                                      const std::string& arch, std::uint64_t size);

}  // namespace alephc::alpine
