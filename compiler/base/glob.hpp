// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

namespace alephc {

/// A shell pattern as dpkg has it: '*' and '?' match '/' too. Patterns are matched against every path of a tree, so the
/// plain text that a pattern begins and ends with is compared first: most paths differ there.
class Glob {
 public:
  explicit Glob(std::string pattern);

  [[nodiscard]] bool matches(const std::string& text) const;
  [[nodiscard]] const std::string& pattern() const { return pattern_; }

 private:
  std::string pattern_;
  std::size_t prefix_ = 0;  ///< length of the plain text in front
  std::size_t suffix_ = 0;  ///< and at the end; the two never overlap
};

}  // namespace alephc
