// SPDX-License-Identifier: MIT
#include "manifest/merge.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "manifest/keys.hpp"

namespace alephc {
namespace {

bool is_descriptive(const TableSpec& table, std::string_view key) {
  const KeySpec* spec = find_key_spec(table, key);
  return spec != nullptr && spec->describes;
}

/// What makes two entries of an array of strings (or package files) the same.
std::string identity_of(const Value& item) {
  if (item.is(Value::Kind::string)) return item.text;
  const Value* url = item.find("url");
  return url != nullptr ? url->text : std::string();
}

class Merger {
 public:
  explicit Merger(DiagnosticList& problems) : problems_(problems) {}

  void add(Value& into, const Value& part, bool is_last) {
    for (const auto& [name, member] : part.members) {
      const TableSpec* spec = find_table_spec(name);
      if (spec == nullptr || name == "schema") {
        into.members.insert_or_assign(name, member);
        continue;
      }
      if (name == "expect" && !is_last) continue;
      if (spec->is_array)
        add_entries(into.members[name], member, *spec);
      else if (member.is(Value::Kind::table))
        add_table(into.members[name], member, *spec, is_last);
    }
  }

 private:
  void add_table(Value& into, const Value& part, const TableSpec& spec, bool is_last) {
    if (into.at.source == nullptr || is_last) into.at = part.at;
    for (const auto& [key, value] : part.members) {
      if (is_descriptive(spec, key) && !is_last) continue;
      if (spec.path == "runtime" && key == "extends") continue;
      const TableSpec* inner = find_table_spec(std::string(spec.path) + "." + key);
      if (inner != nullptr && inner->is_array) {
        add_entries(into.members[key], value, *inner);
        continue;
      }
      const KeySpec* known = find_key_spec(spec, key);
      if (known != nullptr && known->type == KeyType::text_table && into.find(key) != nullptr) {
        for (const auto& [name, text] : value.members) into.members[key].members.insert_or_assign(name, text);
        continue;
      }
      const bool appends = known != nullptr && value.is(Value::Kind::array) &&
                           (known->type == KeyType::strings || known->type == KeyType::package_files);
      if (appends)
        append(into.members[key], value, *known);
      else
        into.members.insert_or_assign(key, value);
    }
  }

  void append(Value& into, const Value& more, const KeySpec& spec) {
    into.kind = Value::Kind::array;
    into.at = more.at;
    into.key_at = more.key_at;
    for (const Value& item : more.items) {
      const std::string id = identity_of(item);
      // In exclude_paths '!GLOB' is dpkg's own sign for bringing something back.
      if (id.starts_with('!') && spec.format != Format::glob) {
        take_back(into, id.substr(1), item.at);
        continue;
      }
      const bool known = std::any_of(into.items.begin(), into.items.end(),
                                     [&](const Value& old) { return identity_of(old) == id; });
      if (!known) into.items.push_back(item);
    }
  }

  void take_back(Value& into, const std::string& id, const SourceSpan& at) {
    const auto gone = std::remove_if(into.items.begin(), into.items.end(),
                                     [&](const Value& old) { return identity_of(old) == id; });
    if (gone == into.items.end()) {
      std::vector<std::string> names;
      for (const Value& item : into.items) names.push_back(identity_of(item));
      problems_.error("'!" + id + "' takes back nothing: no part before has '" + id + "'", at,
                      did_you_mean(id, names));
      return;
    }
    into.items.erase(gone, into.items.end());
  }

  static void add_entries(Value& into, const Value& more, const TableSpec& spec) {
    into.kind = Value::Kind::array;
    for (const Value& item : more.items) {
      const Value* id = item.find(spec.identity);
      const auto same = [&](const Value& old) {
        const Value* old_id = old.find(spec.identity);
        return id != nullptr && old_id != nullptr && old_id->text == id->text;
      };
      const auto old = std::find_if(into.items.begin(), into.items.end(), same);
      if (old == into.items.end())
        into.items.push_back(item);
      else
        *old = item;
    }
  }

  DiagnosticList& problems_;
};

void drop_disabled(Value& table) {
  for (auto& [name, member] : table.members) {
    if (member.is(Value::Kind::table)) drop_disabled(member);
    if (!member.is(Value::Kind::array)) continue;
    std::erase_if(member.items, [](const Value& item) {
      const Value* enabled = item.find("enabled");
      return enabled != nullptr && enabled->is(Value::Kind::boolean) && !enabled->flag;
    });
    for (Value& item : member.items) item.members.erase("enabled");
  }
}

std::string literal_of(const Value& value);

std::string inline_table(const Value& value) {
  std::string out = "{";
  const char* separator = " ";
  for (const auto& [key, member] : value.members) {
    out += separator + quote_key(key) + " = " + literal_of(member);
    separator = ", ";
  }
  return out + " }";
}

std::string literal_of(const Value& value) {
  switch (value.kind) {
    using enum Value::Kind;
    case string:
      return quote_toml(value.text);
    case integer:
      return std::to_string(value.number);
    case boolean:
      return value.flag ? "true" : "false";
    case table:
      return inline_table(value);
    case array: {
      if (value.items.empty()) return "[]";
      std::string out = "[\n";
      for (const Value& item : value.items) out += "  " + literal_of(item) + ",\n";
      return out + "]";
    }
    case other:
      break;
  }
  return "\"\"";
}

void put_keys(std::string& out, const Value& table, const TableSpec& spec) {
  for (const KeySpec& key : spec.keys) {
    const Value* value = table.find(key.name);
    if (value == nullptr || key.describes) continue;
    out += std::string(key.name) + " = " + literal_of(*value) + "\n";
  }
}

}  // namespace

const Value* find_table(const Value& value, std::string_view path) {
  const std::size_t dot = path.find('.');
  const Value* outer = value.find(path.substr(0, dot));
  if (outer == nullptr || dot == std::string_view::npos) return outer;
  return find_table(*outer, path.substr(dot + 1));
}

Value merge_parts(const std::vector<Part>& parts, DiagnosticList& problems) {
  Value merged;
  Merger merger(problems);
  for (const Part& part : parts) merger.add(merged, part.value, &part == &parts.back());
  drop_disabled(merged);
  merged.at = parts.back().value.at;
  return merged;
}

std::string canonical_text(const Value& value, const std::string& prefix) {
  std::string out;
  for (const TableSpec& spec : table_specs()) {
    if (spec.path == "expect") continue;
    if (spec.path.empty()) {
      if (!prefix.empty()) out += "[" + prefix.substr(0, prefix.size() - 1) + "]\n";
      put_keys(out, value, spec);
      continue;
    }
    const Value* member = find_table(value, spec.path);
    if (member == nullptr) continue;
    const std::string name = prefix + std::string(spec.path);
    if (!spec.is_array) {
      std::string keys;
      put_keys(keys, *member, spec);
      if (!keys.empty()) out += "\n[" + name + "]\n" + keys;
      continue;
    }
    for (const Value& item : member->items) {
      out += "\n[[" + name + "]]\n";
      put_keys(out, item, spec);
    }
  }
  return out;
}

}  // namespace alephc
