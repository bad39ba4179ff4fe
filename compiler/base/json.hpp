// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace alephc {

/// JSON of a stranger: what is nested deeper than anything that we read is left out, since copying and
/// printing a value recurses. Discarded (no object, no array) when it is not JSON.
template <typename Json = nlohmann::json>
[[nodiscard]] Json parse_shallow(const std::string& text) {
  constexpr int kDeepest = 64;
  return Json::parse(
      text, [](int depth, typename Json::parse_event_t, Json&) { return depth < kDeepest; }, false);
}

/// The string that an object has under a key; empty if it has none there, or is not an object.
template <typename Json>
[[nodiscard]] std::string text_at(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->template get<std::string>() : std::string();
}

}  // namespace alephc
