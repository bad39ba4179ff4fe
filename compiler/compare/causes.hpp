// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc {

/// The likely reason why two builds gave a path different contents, from what is known to make images differ;
/// empty if nothing known fits. before and after are the contents, nullptr when one is absent or too large.
[[nodiscard]] std::string likely_cause(const std::string& path, const std::string* before,
                                       const std::string* after);

/// The first lines that differ, at most count pairs, "- old" and "+ new"; empty for binary contents.
[[nodiscard]] std::string differing_lines(const std::string& before, const std::string& after,
                                          std::size_t count);

}  // namespace alephc
