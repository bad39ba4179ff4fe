// SPDX-License-Identifier: MIT
#include "manifest/value.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

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

Value parse_toml(const std::shared_ptr<const SourceText>& source) {
  try {
    const toml::table table = toml::parse(std::string_view(source->text), std::string_view(source->name));
    Value value = convert(table, source);
    value.at = {.source = source, .line = 1, .column = 1};
    return value;
  } catch (const toml::parse_error& error) {
    Diagnostic diagnostic;
    diagnostic.message = "not valid TOML: " + std::string(error.description());
    diagnostic.at = span_of(error.source(), source);
    throw Error(ErrorKind::failed, std::vector{diagnostic});
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
