// SPDX-License-Identifier: MIT
#include "manifest/shape.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "manifest/keys.hpp"

namespace alephc {
namespace {

constexpr std::size_t kMaxItems = 100000;

std::string shown(std::string_view table, bool is_array) {
  if (table.empty()) return "at the top";
  return is_array ? "in [[" + std::string(table) + "]]" : "in [" + std::string(table) + "]";
}

std::string range_of(const KeySpec& spec) {
  if (spec.minimum == spec.maximum) return std::to_string(spec.minimum);
  return "between " + std::to_string(spec.minimum) + " and " + std::to_string(spec.maximum);
}

class ShapeCheck {
 public:
  explicit ShapeCheck(DiagnosticList& problems) : problems_(problems) {}

  void table(const Value& value, const TableSpec& spec) {
    for (const auto& [key, member] : value.members) {
      const std::string path = spec.path.empty() ? key : std::string(spec.path) + "." + key;
      if (const KeySpec* known = find_key_spec(spec, key))
        this->key(member, *known, key);
      else if (const TableSpec* inner = find_table_spec(path))
        sub_table(member, *inner);
      else
        unknown_key(member, spec, key);
    }
    for (const KeySpec& known : spec.keys)
      if (known.required && value.find(known.name) == nullptr &&
          requires_now(value, spec))
        problems_.error("'" + std::string(known.name) + "' is missing " + shown(spec.path, spec.is_array),
                        value.at);
  }

 private:
  /// A part may leave out what another part or the file itself
  /// gives; entries of arrays that are dropped need no more.
  static bool requires_now(const Value& value, const TableSpec& spec) {
    if (spec.path.empty()) return true;
    if (!spec.is_array) return false;
    const Value* enabled = value.find("enabled");
    if (enabled == nullptr || !enabled->is(Value::Kind::boolean) || enabled->flag) return true;
    return value.find(spec.identity) == nullptr;
  }

  void sub_table(const Value& member, const TableSpec& spec) {
    const std::string name =
        std::string(spec.is_array ? "[[" : "[") + std::string(spec.path) + (spec.is_array ? "]]" : "]");
    if (!spec.is_array) {
      if (!member.is(Value::Kind::table))
        return problems_.error(
            "'" + std::string(spec.path) + "' must be a table, not " + kind_name(member.kind), member.at,
            "write " + name);
      return table(member, spec);
    }
    if (!member.is(Value::Kind::array))
      return problems_.error(
          "'" + std::string(spec.path) + "' must be an array of tables, not " + kind_name(member.kind),
          member.at, "write " + name);
    for (const Value& item : member.items) {
      if (item.is(Value::Kind::table))
        table(item, spec);
      else
        problems_.error("'" + std::string(spec.path) + "' must hold tables, not " + kind_name(item.kind),
                        item.at);
    }
    check_identities(member, spec);
  }

  void check_identities(const Value& array, const TableSpec& spec) {
    std::vector<std::string> seen;
    for (const Value& item : array.items) {
      const Value* id = item.find(spec.identity);
      if (id == nullptr || !id->is(Value::Kind::string)) continue;
      if (std::find(seen.begin(), seen.end(), id->text) != seen.end())
        problems_.error("'" + id->text + "' is given twice " + shown(spec.path, true), id->at);
      seen.push_back(id->text);
    }
  }

  void unknown_key(const Value& member, const TableSpec& spec, const std::string& key) {
    std::vector<std::string> names;
    for (const KeySpec& known : spec.keys) names.emplace_back(known.name);
    const std::string prefix = spec.path.empty() ? "" : std::string(spec.path) + ".";
    for (const TableSpec& inner : table_specs())
      if (!inner.path.empty() && inner.path.starts_with(prefix) &&
          inner.path.substr(prefix.size()).find('.') == std::string_view::npos)
        names.emplace_back(inner.path.substr(prefix.size()));
    problems_.error("unknown key '" + key + "' " + shown(spec.path, spec.is_array), member.key_at,
                    did_you_mean(key, names));
  }

  void key(const Value& value, const KeySpec& spec, const std::string& name) {
    switch (spec.type) {
      using enum KeyType;
      case string:
        return text(value, spec, name);
      case integer:
        if (!value.is(Value::Kind::integer)) return wrong_type(value, name, "an integer");
        if (value.number < spec.minimum || value.number > spec.maximum)
          problems_.error("'" + name + "' must be " + range_of(spec), value.at);
        return;
      case boolean:
        if (!value.is(Value::Kind::boolean)) wrong_type(value, name, "true or false");
        return;
      case integers:
        return numbers(value, spec, name);
      case string_or_strings:
        if (value.is(Value::Kind::string)) return text(value, spec, name);
        [[fallthrough]];
      case strings:
        return list(value, spec, name);
      case text_table:
        return variables(value, spec, name);
      case package_files:
        return files(value, name);
    }
  }

  void numbers(const Value& value, const KeySpec& spec, const std::string& name) {
    if (!value.is(Value::Kind::array)) return wrong_type(value, name, "an array of integers");
    for (const Value& item : value.items)
      if (!item.is(Value::Kind::integer) || item.number < spec.minimum || item.number > spec.maximum)
        problems_.error("entries of '" + name + "' must be " + range_of(spec), item.at);
  }

  void list(const Value& value, const KeySpec& spec, const std::string& name) {
    if (!value.is(Value::Kind::array)) return wrong_type(value, name, "an array of strings");
    if (value.items.size() > kMaxItems)
      return problems_.error("'" + name + "' has too many entries", value.at);
    for (const Value& item : value.items) text(item, spec, name);
  }

  void variables(const Value& value, const KeySpec& spec, const std::string& name) {
    if (!value.is(Value::Kind::table)) return wrong_type(value, name, "a table of strings");
    for (const auto& [key, member] : value.members) {
      if (const auto problem = format_problem(spec.format, key))
        problems_.error("'" + key + "' " + *problem, member.key_at);
      if (!member.is(Value::Kind::string)) wrong_type(member, name + "." + key, "a string");
    }
  }

  void files(const Value& value, const std::string& name) {
    if (!value.is(Value::Kind::array)) return wrong_type(value, name, "an array");
    static constexpr KeySpec kPath{.name = "files", .format = Format::project_path};
    static constexpr KeySpec kUrl{.name = "url", .format = Format::url};
    static constexpr KeySpec kSha256{.name = "sha256", .format = Format::sha256};
    for (const Value& item : value.items) {
      if (item.is(Value::Kind::string)) {
        text(item, kPath, name);
        continue;
      }
      if (!item.is(Value::Kind::table)) {
        wrong_type(item, name, "a path or {url, sha256}");
        continue;
      }
      for (const auto& [key, member] : item.members) {
        if (key == "url")
          text(member, kUrl, key);
        else if (key == "sha256")
          text(member, kSha256, key);
        else
          problems_.error("unknown key '" + key + "' in an entry of 'files'", member.key_at,
                          did_you_mean(key, {"url", "sha256"}));
      }
      for (const char* needed : {"url", "sha256"})
        if (item.find(needed) == nullptr)
          problems_.error("'" + std::string(needed) + "' is missing in an entry of 'files'", item.at);
    }
  }

  void text(const Value& value, const KeySpec& spec, const std::string& name) {
    if (!value.is(Value::Kind::string)) return wrong_type(value, name, "a string");
    if (const auto problem = format_problem(spec.format, value.text))
      return problems_.error("'" + value.text + "' " + *problem, value.at);
    const std::vector<std::string> names = choices_of(spec);
    if (names.empty() || std::find(names.begin(), names.end(), value.text) != names.end()) return;
    std::string hint = did_you_mean(value.text, names);
    if (hint.empty()) hint = "one of: " + join(names, ", ");
    problems_.error("unknown " + name + " '" + value.text + "'", value.at, hint);
  }

  void wrong_type(const Value& value, const std::string& name, const std::string& wanted) {
    problems_.error("'" + name + "' must be " + wanted + ", not " + kind_name(value.kind), value.at);
  }

  DiagnosticList& problems_;
};

}  // namespace

void check_shape(const Value& value, DiagnosticList& problems) {
  ShapeCheck(problems).table(value, *find_table_spec(""));
}

}  // namespace alephc
