// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "distro/alpine/dependency.hpp"
#include "distro/alpine/index.hpp"

namespace alephc::alpine {

inline constexpr std::uint32_t kNone = UINT32_MAX;

struct Provider {
  std::uint32_t package = kNone;
  std::string_view version{};  ///< of the name, empty if it says none
};

struct Need {
  std::uint32_t name = 0;
  Dependency dependency{};
};

struct Name {
  std::string_view text{};
  std::vector<Provider> providers{};
  std::vector<std::uint32_t> needed_by{};  ///< packages that depend on it
  std::vector<std::uint32_t> triggers{};   ///< packages that name it in install_if
  std::uint32_t requirers = 0;
  std::uint32_t first_requirer = kNone;  ///< a package; kNone: the world
  std::uint32_t order = 0;               ///< larger: decided earlier
  std::uint32_t chain = 0;               ///< length of the longest one of dependencies
  std::uint64_t priority = 0;            ///< the highest of its providers
  bool in_world = false;
  bool seen = false;
  bool decided = false;
  bool triggered = false;  ///< a provider's install_if holds
  bool queued = false;
  bool dirty = false;
  Provider chosen{};

  [[nodiscard]] bool is_wanted() const { return requirers > 0 || triggered; }
};

struct Package {
  bool possible = true;
  bool triggered = false;
  std::uint32_t name = 0;
  std::uint64_t tags = 0;  ///< bits of the tags that it may come from
  std::uint64_t preferred_tags = 0;
  std::vector<Need> depends{};
  std::vector<Need> install_if{};
  std::vector<std::uint32_t> provides{};  ///< names but for its own
  std::string why{};                      ///< it is not possible
  std::optional<Need> lacks{};            ///< of its own needs, the one that cannot be had
};

/// All packages of an index and all names in them, by numbers, with what the solver has found out about each so far.
class Universe {
 public:
  Universe(const PackageIndex& index, const std::vector<std::string>& tags);

  /// The bit of a tag in Package::tags; the 64th and later ones share one.
  std::uint64_t bit_of(std::string_view tag);
  /// A request with a tag: providers of the name may come from there, and better do.
  void prefer_tag(std::uint32_t name, std::string_view tag);
  /// The number of a name; a new one if it is new.
  std::uint32_t name_id(std::string_view text);

  [[nodiscard]] const IndexedPackage& indexed(std::uint32_t package) const {
    return index_.packages()[package];
  }
  [[nodiscard]] bool is_allowed(std::uint32_t package) const;    ///< from where it is, by its tags
  [[nodiscard]] bool is_preferred(std::uint32_t package) const;  ///< the same by preferred_tags
  [[nodiscard]] bool fits(const Dependency& dependency, const Provider& provider) const;
  [[nodiscard]] bool is_satisfied(const Need& need) const;  ///< by what is chosen
  [[nodiscard]] bool can_be_satisfied(const Need& need) const;
  /// An unversioned name selects no package by itself, unless the package was asked for or says how much
  /// it wants to be taken.
  [[nodiscard]] bool may_be_taken(const Name& name, const Provider& provider) const;
  /// The names of a package, its own too, with the versions that it gives them.
  [[nodiscard]] std::map<std::uint32_t, std::string_view> named_by(std::uint32_t package) const;
  [[nodiscard]] std::string label(std::uint32_t package) const;  ///< "NAME VERSION"
  [[nodiscard]] std::string wish(std::uint32_t by, const Need& need) const;

  std::vector<Name> names{};
  std::vector<Package> packages{};

 private:
  void load();

  const PackageIndex& index_;
  std::vector<std::string> tag_names_{};
  std::vector<std::uint64_t> source_bits_{};
  std::unordered_map<std::string_view, std::uint32_t> ids_{};
};

}  // namespace alephc::alpine
