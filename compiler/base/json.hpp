// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <nlohmann/json.hpp>

// nlohmann's parser and writer are templates that take longer to compile than most files which use them: they are
// compiled once, in json.cpp, and called through the functions below.

namespace alephc {

/// To write: keeps the order of members, and looks through all of them for one.
using Json = nlohmann::ordered_json;
/// To read: finds a member at once. A stranger's object of a million members would take hours as a Json.
using SortedJson = nlohmann::json;

/// Discarded (no object, no array) when it is not JSON.
template <typename AnyJson = SortedJson>
[[nodiscard]] AnyJson parse_json(const std::string& text);

/// JSON of a stranger: what is nested deeper than anything that we read is left out, since copying and
/// printing a value recurses. Discarded when it is not JSON.
template <typename AnyJson = SortedJson>
[[nodiscard]] AnyJson parse_shallow(const std::string& text);

/// On one line, or indented by that many spaces. What is not UTF-8 is replaced.
[[nodiscard]] std::string json_text(const Json& value, int indent = -1);
[[nodiscard]] std::string json_text(const SortedJson& value);

/// On one line, every character beyond ASCII as an escape.
[[nodiscard]] std::string ascii_json_text(const Json& value);

/// The string that an object has under a key; empty if it has none there, or is not an object.
template <typename AnyJson>
[[nodiscard]] std::string text_at(const AnyJson& object, const char* key) {
  if (!object.is_object()) return {};
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->template get<std::string>() : std::string();
}

}  // namespace alephc
