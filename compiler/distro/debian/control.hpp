// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace alephc::debian {

/// One paragraph of a control file (deb822): field names as
/// written, values with their continuation lines, trimmed.
class Stanza {
 public:
  void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
  [[nodiscard]] std::string_view get(
      std::string_view name) const;  ///< "" when absent; names compare without case
  [[nodiscard]] bool empty() const { return fields_.empty(); }
  [[nodiscard]] const std::vector<std::pair<std::string_view, std::string_view>>& fields() const {
    return fields_;
  }

 private:
  std::vector<std::pair<std::string_view, std::string_view>> fields_;
};

/// Cuts the next paragraph off text; nullopt at the end. The views point into text's bytes. Lines that are no
/// field are skipped.
[[nodiscard]] std::optional<Stanza> next_stanza(std::string_view& text);

/// One alternative of a relation: NAME[:ARCH] [(OP VERSION)].
struct Relation {
  std::string name{};
  std::string arch{};
  std::string op{};
  std::string version{};
};
/// "a (>= 1) | b, c" → {{a, b}, {c}}.
[[nodiscard]] std::vector<std::vector<Relation>> parse_relations(std::string_view text);

/// dpkg's version order: negative, zero or positive.
[[nodiscard]] int compare_versions(std::string_view a, std::string_view b);
[[nodiscard]] bool satisfies(std::string_view version, const std::string& op, std::string_view wanted);

}  // namespace alephc::debian
