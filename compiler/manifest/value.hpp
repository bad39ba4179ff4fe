// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"

namespace alephc {

/// A TOML value with the place it was written at: what
/// manifests and locks are read into before they get types.
struct Value {
  enum class Kind { string, integer, boolean, array, table, other };

  Kind kind = Kind::table;
  std::string text{};                                   ///< string
  std::int64_t number = 0;                              ///< integer
  bool flag = false;                                    ///< boolean
  std::vector<Value> items{};                           ///< array
  std::map<std::string, Value, std::less<>> members{};  ///< table
  SourceSpan at{};                                      ///< the value
  SourceSpan key_at{};                                  ///< its key, for members of tables

  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] bool is(Kind wanted) const { return kind == wanted; }

  static Value of(std::string string);
  static Value of(std::int64_t integer);
  static Value of(bool boolean);
};

[[nodiscard]] const char* kind_name(Value::Kind kind);  ///< "a string", "a table" …

/// Parses TOML. Throws an Error with the place when the text is not TOML.
[[nodiscard]] Value parse_toml(const std::shared_ptr<const SourceText>& source);

/// A TOML basic string with everything escaped that needs it.
[[nodiscard]] std::string quote_toml(std::string_view text);
/// A key: bare where it can be.
[[nodiscard]] std::string quote_key(std::string_view key);

}  // namespace alephc
