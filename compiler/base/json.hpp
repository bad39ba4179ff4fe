// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <nlohmann/json.hpp>

// nlohmann's parser and writer are templates that take longer to compile than most files which use them: they are
// compiled once, in json.cpp, and called through the functions below.

namespace alephc {

/// Keeps the order of members. One type for all: whatever is done with a second one would be compiled twice.
using Json = nlohmann::ordered_json;

/// Discarded (no object, no array) when it is not JSON.
[[nodiscard]] Json parse_json(const std::string& text);

/// JSON of a stranger: what is nested deeper than anything that we read is left out, since copying and
/// printing a value recurses. Discarded when it is not JSON. nlohmann::json finds members of large objects faster.
template <typename AnyJson = Json>
[[nodiscard]] AnyJson parse_shallow(const std::string& text);

/// On one line, or indented by that many spaces. What is not UTF-8 is replaced.
[[nodiscard]] std::string json_text(const Json& value, int indent = -1);
[[nodiscard]] std::string json_text(const nlohmann::json& value);

/// On one line, every character beyond ASCII as an escape.
[[nodiscard]] std::string ascii_json_text(const Json& value);
[[nodiscard]] std::string ascii_json_text(const nlohmann::json& value);

/// The string that an object has under a key; empty if it has none there, or is not an object.
template <typename AnyJson>
[[nodiscard]] std::string text_at(const AnyJson& object, const char* key) {
  if (!object.is_object()) return {};
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->template get<std::string>() : std::string();
}

}  // namespace alephc
