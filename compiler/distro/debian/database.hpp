// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/root_folder.hpp"
#include "distro/debian/unpack.hpp"
#include "distro/distro.hpp"
#include "tree/tree.hpp"

namespace alephc::debian {

/// Whether a trigger of a package waits for what another one, which has these paths, brings or activates.
[[nodiscard]] bool hears(const UnpackedPackage& listener, const UnpackedPackage& news,
                         const std::vector<std::string>& paths);

/// dpkg's and apt's files below /var/lib, written as those programs write them. Reads see the upper folder
/// first, then the layers below.
class Database {
 public:
  Database(const Tree& below, std::filesystem::path upper, std::string arch)
      : below_(below), upper_(std::move(upper)), arch_(std::move(arch)) {}

  /// The empty database of a new system. archs: native first.
  void create(const std::vector<std::string>& archs) const;
  /// Records packages as "install ok unpacked" and activates
  /// the triggers that their files and control data name.
  void add_unpacked(const std::vector<UnpackedPackage>& packages) const;
  /// Paths, absolute, that packages lost to others: package (or package:arch) → paths. Those that are conffiles of who has
  /// them now are obsolete conffiles of who had them.
  void drop_paths(const std::map<std::string, std::vector<std::string>>& lost,
                  const std::set<std::string>& conffiles) const;
  /// apt's list of packages that only others need.
  void add_automatic(const std::vector<InstallPackage>& packages) const;

  [[nodiscard]] std::string read(const std::string& path) const;  ///< "" when missing
  void write(const std::string& path, const std::string& content, std::uint32_t mode = 0644) const;

 private:
  void mark_obsolete(const std::string& package, const std::vector<std::string>& paths) const;
  void add_control_files(const UnpackedPackage& package) const;
  void add_interests(const std::vector<UnpackedPackage>& packages) const;
  void activate_triggers(const std::vector<UnpackedPackage>& packages) const;

  const Tree& below_;
  RootFolder upper_;
  std::string arch_;
};

}  // namespace alephc::debian
