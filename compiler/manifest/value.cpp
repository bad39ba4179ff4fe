// SPDX-License-Identifier: MIT
#include "manifest/value.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>

#include "base/limits.hpp"
#include "base/text.hpp"

#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace alephc {
namespace {

SourceSpan span_of(const toml::source_region& region, const std::shared_ptr<const SourceText>& source) {
  SourceSpan span{.source = source, .line = region.begin.line, .column = region.begin.column};
  if (region.end.line == region.begin.line && region.end.column > region.begin.column)
    span.length = region.end.column - region.begin.column;
  return span;
}

Value convert(const toml::node& node, const std::shared_ptr<const SourceText>& source) {
  Value value;
  value.at = span_of(node.source(), source);
  if (const auto* text = node.as_string()) {
    value.kind = Value::Kind::string;
    value.text = text->get();
  } else if (const auto* number = node.as_integer()) {
    value.kind = Value::Kind::integer;
    value.number = number->get();
  } else if (const auto* flag = node.as_boolean()) {
    value.kind = Value::Kind::boolean;
    value.flag = flag->get();
  } else if (const auto* array = node.as_array()) {
    value.kind = Value::Kind::array;
    for (const toml::node& item : *array) value.items.push_back(convert(item, source));
  } else if (const auto* table = node.as_table()) {
    value.kind = Value::Kind::table;
    for (const auto& [key, item] : *table) {
      Value member = convert(item, source);
      member.key_at = span_of(key.source(), source);
      value.members.emplace(std::string(key.str()), std::move(member));
    }
  } else {
    value.kind = Value::Kind::other;
  }
  return value;
}

}  // namespace

const Value* Value::find(std::string_view key) const {
  const auto it = members.find(key);
  return it == members.end() ? nullptr : &it->second;
}

Value Value::of(std::string string) {
  Value value;
  value.kind = Kind::string;
  value.text = std::move(string);
  return value;
}

Value Value::of(std::int64_t integer) {
  Value value;
  value.kind = Kind::integer;
  value.number = integer;
  return value;
}

Value Value::of(bool boolean) {
  Value value;
  value.kind = Kind::boolean;
  value.flag = boolean;
  return value;
}

const char* kind_name(Value::Kind kind) {
  switch (kind) {
    using enum Value::Kind;
    case string:
      return "a string";
    case integer:
      return "an integer";
    case boolean:
      return "a boolean";
    case array:
      return "an array";
    case table:
      return "a table";
    case other:
      break;
  }
  return "a date or a float";
}

namespace {

[[noreturn]] void too_deep(const std::shared_ptr<const SourceText>& source, std::uint32_t line) {
  Diagnostic diagnostic{.message = "a key has more than " + std::to_string(limits::kTomlDepth) + " parts"};
  diagnostic.at = SourceSpan{.source = source, .line = line, .column = 1};
  diagnostic.hint = "no table of alephc is nested so deep";
  throw Error(ErrorKind::failed, std::move(diagnostic));
}

/// The place behind the string that begins at i. A short one that is not closed ends with its line.
std::size_t end_of_string(std::string_view text, std::size_t i) {
  const char quote = text[i];
  const std::string three(3, quote);
  const bool is_long = text.substr(i, 3) == three;
  for (i += is_long ? 3 : 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (!is_long && (text[i] == quote || text[i] == '\n')) {
      return text[i] == quote ? i + 1 : i;
    } else if (is_long && text.substr(i, 3) == three) {
      // Two quotes more are still of the string: its end are the last three.
      const std::size_t end = text.find_first_not_of(quote, i);
      return std::min({end, i + 5, text.size()});
    }
  }
  return text.size();
}

/// Calls visit with the place of every byte that is neither of a string nor of a comment.
template <typename Visit>
void each_bare_byte(std::string_view text, Visit&& visit) {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '"' || text[i] == '\'') {
      i = end_of_string(text, i);
    } else if (text[i] == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else {
      visit(i++);
    }
  }
}

std::uint32_t line_of(std::string_view text, std::size_t at) {
  return 1 + static_cast<std::uint32_t>(
                 std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

/// A byte of UTF-8 that is not the first one of its character.
bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

/// In code points, as the parser counts.
std::uint32_t column_of(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const std::string_view line = before.substr(before.rfind('\n') + 1);
  return 1 + static_cast<std::uint32_t>(line.size()) -
         static_cast<std::uint32_t>(std::count_if(line.begin(), line.end(), is_continuation));
}

/// The parser, and what it makes, recurse for each part of a dotted key: too many parts are refused before.
void check_depth(const std::shared_ptr<const SourceText>& source) {
  std::size_t dots = 0;
  each_bare_byte(source->text, [&](std::size_t at) {
    const char c = source->text[at];
    if (c == '\n' || c == '=' || c == ',' || c == '{' || c == '[') dots = 0;
    if (c == '.' && ++dots >= limits::kTomlDepth) too_deep(source, line_of(source->text, at));
  });
}

/// toml++ 3.3 tells the compiler that a letter such as 'ä' cannot stand where white space may: what it does with one is not
/// defined. No bare key or value has such a letter.
void check_letters(const std::shared_ptr<const SourceText>& source) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  const std::string& text = source->text;
  const std::size_t begin = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  each_bare_byte(text, [&](std::size_t at) {
    if (at < begin || static_cast<unsigned char>(text[at]) < 0x80U) return;
    std::size_t end = at + 1;
    while (end < text.size() && is_continuation(text[end])) ++end;
    Diagnostic diagnostic{.message = "not valid TOML: '" + printable(text.substr(at, end - at)) +
                                     "' is neither in quotes nor in a comment"};
    diagnostic.at = SourceSpan{.source = source, .line = line_of(text, at), .column = column_of(text, at)};
    diagnostic.hint = "put the key or the value in quotes";
    throw Error(ErrorKind::failed, std::move(diagnostic));
  });
}

}  // namespace

Value parse_toml(const std::shared_ptr<const SourceText>& source) {
  if (source->text.size() > limits::kTomlFile)
    throw Error(ErrorKind::failed, source->name + " has more than " + human_size(limits::kTomlFile));
  check_depth(source);
  check_letters(source);
  try {
    const toml::table table = toml::parse(std::string_view(source->text), std::string_view(source->name));
    Value value = convert(table, source);
    value.at = {.source = source, .line = 1, .column = 1};
    return value;
  } catch (const toml::parse_error& error) {
    Diagnostic diagnostic;
    diagnostic.message = "not valid TOML: " + std::string(error.description());
    diagnostic.at = span_of(error.source(), source);
    throw Error(ErrorKind::failed, std::move(diagnostic));
  }
}

std::string quote_toml(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04X", byte);
      out += code.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string quote_key(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  });
  return bare ? std::string(key) : quote_toml(key);
}

}  // namespace alephc
