// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alephc::alpine {

/// "[!]NAME[@TAG][OP VERSION]" of a package's fields and of /etc/apk/world, as apk-package(5) has it. Views
/// into the text it was parsed from.
struct Dependency {
  enum Relation : std::uint8_t { equal = 1, less = 2, greater = 4, fuzzy = 8, identity = 16 };

  std::string_view name{};
  std::string_view version{};  ///< or the identity of a package; empty without relation
  std::string_view tag{};      ///< of the repositories it may come from
  std::uint8_t relations = 0;  ///< that are allowed; 0: any version
  bool conflict = false;       ///< nothing of the kind may be there
};

/// nullopt if it is none.
[[nodiscard]] std::optional<Dependency> parse_dependency(std::string_view text);
/// Those of a field, separated by blanks; what cannot be understood is left out, as apk does.
[[nodiscard]] std::vector<Dependency> parse_dependencies(std::string_view field);
/// The inverse, as apk writes it into /etc/apk/world.
[[nodiscard]] std::string text_of(const Dependency& dependency);

/// True if a package of that name with this version (empty: it says none) is what the dependency names,
/// whether it wants that or forbids it.
[[nodiscard]] bool matches(const Dependency& dependency, std::string_view version, std::string_view identity);

}  // namespace alephc::alpine
