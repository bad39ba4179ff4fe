// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/glob.hpp"
#include "distro/accounts.hpp"
#include "tree/tree.hpp"

namespace alephc::debian {

/// What dpkg goes by while it unpacks, besides the packages: diversions and statoverrides below /var/lib/dpkg, path filters
/// below /etc/dpkg, and the accounts of the system, because a tar names its owners. Paths are relative, as packages name them.
/// dpkg reads overrides and filters when it starts, the others again after each script.
class UnpackRules {
 public:
  struct Attributes {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t mode = 0;
    bool operator==(const Attributes&) const = default;
  };

  UnpackRules() = default;
  /// Of a dpkg that starts now, as the folder shows them over the tree. Throws when a file is one that dpkg could not read
  /// either.
  UnpackRules(const Tree& below, const std::filesystem::path& upper);
  /// What that dpkg reads again.
  void read_again(const Tree& below, const std::filesystem::path& upper);

  /// Where a package's file of a name goes. dpkg goes by the names that packages give: a diversion of /bin/sh is none of
  /// /usr/bin/sh, wherever /bin leads.
  [[nodiscard]] std::string diverted(const std::string& path, const std::string& package) const;
  /// What `dpkg-statoverride` has set for a name.
  [[nodiscard]] std::optional<Attributes> overridden(const std::string& path) const;
  struct Diversion {
    std::string path{};
    std::string to{};
    std::string package{};  ///< ":" for the administrator
    bool operator==(const Diversion&) const = default;
  };
  /// Those that were not in the rules of before.
  [[nodiscard]] std::vector<Diversion> new_diversions(const UnpackRules& before) const;
  [[nodiscard]] bool has_filters() const { return !filters_.empty(); }
  /// Whether a path-exclude keeps an entry out. The package lists it all the same.
  [[nodiscard]] bool filtered(const std::string& path, EntryType type) const;
  /// The ids of an account of the system, else the number that the archive has.
  [[nodiscard]] std::uint32_t uid_of(const std::string& user, std::uint32_t number) const;
  [[nodiscard]] std::uint32_t gid_of(const std::string& group, std::uint32_t number) const;

 private:
  struct Filter {
    Glob glob;
    bool includes = false;
  };

  void read_diversions(std::string_view text);
  void read_overrides(std::string_view text);
  void read_filters(std::string_view text);

  std::map<std::string, Diversion> diversions_;
  std::map<std::string, Attributes> overrides_;
  std::vector<Filter> filters_;
  AccountIds users_;
  AccountIds groups_;
};

}  // namespace alephc::debian
