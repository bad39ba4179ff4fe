// SPDX-License-Identifier: MIT
#include "manifest/schema.hpp"

#include <initializer_list>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/keys.hpp"

namespace alephc {
namespace {

Json string_schema(const KeySpec& key) {
  Json schema{{"type", "string"}};
  if (!key.choices.empty()) {
    schema["enum"] = choices_of(key);
  } else if (const auto pattern = format_pattern(key.format); !pattern.empty()) {
    schema["pattern"] = pattern;
  }
  return schema;
}

Json package_files_schema() {
  const KeySpec path{.name = "path", .format = Format::project_path};
  const KeySpec url{.name = "url", .format = Format::url};
  const KeySpec hash{.name = "sha256", .format = Format::sha256};
  Json remote{{"type", "object"}, {"additionalProperties", false}};
  remote["properties"]["url"] = string_schema(url);
  remote["properties"]["sha256"] = string_schema(hash);
  remote["required"] = {"url", "sha256"};
  Json schema{{"type", "array"}};
  schema["items"]["anyOf"] = Json::array({string_schema(path), remote});
  return schema;
}

Json type_schema(const KeySpec& key) {
  Json list{{"type", "array"}, {"items", string_schema(key)}};
  switch (key.type) {
    using enum KeyType;
    case string:
      return string_schema(key);
    case integer:
      return {{"type", "integer"}, {"minimum", key.minimum}, {"maximum", key.maximum}};
    case boolean:
      return {{"type", "boolean"}};
    case integers: {
      const Json item{{"type", "integer"}, {"minimum", key.minimum}, {"maximum", key.maximum}};
      return {{"type", "array"}, {"items", item}};
    }
    case strings:
      return list;
    case string_or_strings:
      return {{"anyOf", Json::array({string_schema(key), list})}};
    case text_table: {
      Json schema{{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
      schema["propertyNames"]["pattern"] = format_pattern(key.format);
      return schema;
    }
    case package_files:
      return package_files_schema();
  }
  return {};
}

Json key_schema(const KeySpec& key) {
  Json schema = type_schema(key);
  std::string about(key.about);
  if (!key.fallback.empty()) about += " (default: " + std::string(key.fallback) + ")";
  schema["description"] = about;
  return schema;
}

/// Rules across keys of one table that JSON Schema can say; docs/manifest.md lists the rest.
void add_rules(Json& schema, const TableSpec& table) {
  const auto exactly_one = [&](std::initializer_list<const char*> keys) {
    for (const char* key : keys) schema["oneOf"].push_back({{"required", {key}}});
  };
  if (table.path == "file") exactly_one({"content", "source", "link", "dir"});
  if (table.path == "run") exactly_one({"script", "source"});
  if (table.path == "archive") exactly_one({"url", "source", "npm"});
  if (table.path == "init.plugin") exactly_one({"exec", "source"});
  if (table.path == "file") schema["properties"]["dir"]["const"] = true;
}

Json table_schema(const TableSpec& table) {
  Json schema{{"type", "object"}, {"description", table.about}, {"additionalProperties", false}};
  schema["properties"] = Json::object();
  for (const KeySpec& key : table.keys) {
    schema["properties"][std::string(key.name)] = key_schema(key);
    // What a part leaves out another may give; only entries of arrays and the top stand alone.
    if (key.required && (table.is_array || table.path.empty())) schema["required"].push_back(key.name);
  }
  if (!table.is_array) return schema;
  // { target = "/x", enabled = false } drops an inherited entry and needs nothing else.
  add_rules(schema, table);
  Json dropped{{"type", "object"}, {"required", {table.identity, "enabled"}}};
  dropped["properties"]["enabled"]["const"] = false;
  Json either;
  either["if"] = dropped;
  Json lenient = schema;
  lenient.erase("required");
  lenient.erase("oneOf");
  either["then"] = lenient;
  either["else"] = schema;
  return either;
}

}  // namespace

std::string runtime_schema() {
  Json schema;
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "runtime.toml of alephc";
  schema["type"] = "object";
  schema["additionalProperties"] = false;
  schema["required"] = {"schema"};
  for (const TableSpec& table : table_specs()) {
    if (table.path.empty()) {
      for (const KeySpec& key : table.keys) schema["properties"][std::string(key.name)] = key_schema(key);
      continue;
    }
    Json inner = table_schema(table);
    if (table.is_array) inner = Json{{"type", "array"}, {"items", inner}};
    // "init.plugin" is a property of init, which stands before it.
    Json* home = &schema;
    const std::vector<std::string> parts = split(std::string(table.path), '.');
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) home = &(*home)["properties"][parts[i]];
    (*home)["properties"][parts.back()] = inner;
  }
  return json_text(schema, 2) + "\n";
}

}  // namespace alephc
