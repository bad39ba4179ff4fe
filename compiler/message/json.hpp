// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace alephc {

/// JSON of a stranger: what is nested deeper than anything of the network's is left out, since copying and printing
/// a value recurses. Discarded (no object, no array) when it is no JSON.
template <typename Json = nlohmann::json>
[[nodiscard]] Json parse_shallow(const std::string& text) {
  constexpr int kDeepest = 64;
  return Json::parse(
      text, [](int depth, typename Json::parse_event_t, Json&) { return depth < kDeepest; }, false);
}

}  // namespace alephc
