// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/manifest.hpp"
#include "manifest/merge.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// Reads keys of one table; absent keys leave the default in place.
class TableView {
 public:
  explicit TableView(const Value* table) : table_(table) {}

  void get(std::string_view key, std::string& into) const {
    if (const Value* value = find(key, Value::Kind::string)) into = value->text;
  }
  void get(std::string_view key, bool& into) const {
    if (const Value* value = find(key, Value::Kind::boolean)) into = value->flag;
  }
  void get(std::string_view key, std::vector<std::string>& into) const {
    if (const Value* value = find(key, Value::Kind::string)) into = {value->text};
    if (const Value* value = find(key, Value::Kind::array)) {
      into.clear();
      for (const Value& item : value->items) into.push_back(item.text);
    }
  }
  void get(std::string_view key, std::vector<Text>& into) const {
    if (const Value* value = find(key, Value::Kind::array))
      for (const Value& item : value->items) into.push_back({item.text, item.at});
  }
  void get(std::string_view key, Digest& into) const {
    if (const Value* value = find(key, Value::Kind::string))
      into = Digest::from_hex(value->text).value_or(Digest{});
  }
  [[nodiscard]] std::map<std::string, std::string> texts(std::string_view key) const {
    std::map<std::string, std::string> out;
    if (const Value* value = find(key, Value::Kind::table))
      for (const auto& [name, text] : value->members) out[name] = text.text;
    return out;
  }
  template <typename Number>
  void get_number(std::string_view key, Number& into) const {
    if (const Value* value = find(key, Value::Kind::integer)) into = static_cast<Number>(value->number);
  }
  [[nodiscard]] const Value* find(std::string_view key, Value::Kind kind) const {
    const Value* value = table_ == nullptr ? nullptr : table_->find(key);
    return value != nullptr && value->is(kind) ? value : nullptr;
  }
  [[nodiscard]] bool has(std::string_view key) const {
    return table_ != nullptr && table_->find(key) != nullptr;
  }
  [[nodiscard]] SourceSpan at(std::string_view key) const {
    const Value* value = table_ == nullptr ? nullptr : table_->find(key);
    if (value != nullptr && value->at.source == nullptr && !value->items.empty())
      return value->items.front().at;
    if (value != nullptr) return value->at;
    return table_ == nullptr ? SourceSpan{} : table_->at;
  }
  [[nodiscard]] SourceSpan at() const { return table_ == nullptr ? SourceSpan{} : table_->at; }

 private:
  const Value* table_;
};

/// The entries of an array of tables.
inline std::vector<TableView> entries_of(const Value& flat, std::string_view name) {
  std::vector<TableView> views;
  const Value* array = find_table(flat, name);
  if (array == nullptr) return views;
  for (const Value& item : array->items) views.emplace_back(&item);
  return views;
}

}  // namespace alephc
