// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
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
  void get(std::string_view key, std::map<std::string, std::string>& into) const {
    if (const Value* value = find(key, Value::Kind::table))
      for (const auto& [name, text] : value->members) into[name] = text.text;
  }
  template <std::integral Number>
  void get(std::string_view key, Number& into) const {
    if (const Value* value = find(key, Value::Kind::integer)) into = static_cast<Number>(value->number);
  }
  template <typename Number>
  void get(std::string_view key, std::optional<Number>& into) const {
    if (has(key)) get(key, into.emplace());
  }
  /// Where the key stands, or else the table.
  void get(std::string_view key, SourceSpan& into) const { into = at(key); }
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

/// A key, and the member of a spec that it fills.
template <typename Spec, typename Member>
struct Binding {
  std::string_view key;
  Member Spec::*member;
};
template <typename Spec, typename Member>
constexpr Binding<Spec, Member> field(std::string_view key, Member Spec::*member) {
  return {key, member};
}

/// Fills the members that the table has keys for.
template <typename Spec, typename... Members>
void fill(Spec& spec, const TableView& view, const std::tuple<Binding<Spec, Members>...>& bindings) {
  std::apply([&](const auto&... binding) { (view.get(binding.key, spec.*(binding.member)), ...); }, bindings);
}

/// The entries of an array of tables.
inline std::vector<TableView> entries_of(const Value& flat, std::string_view name) {
  std::vector<TableView> views;
  const Value* array = find_table(flat, name);
  if (array == nullptr) return views;
  for (const Value& item : array->items) views.emplace_back(&item);
  return views;
}

}  // namespace alephc
