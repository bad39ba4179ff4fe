// SPDX-License-Identifier: MIT
#include "distro/debian/control.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"

namespace alephc::debian {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
         });
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// '~' sorts before the end, letters before everything else.
int order_of(char c) {
  if (c == '~') return -1;
  if (is_digit(c) || c == '\0') return 0;
  if (std::isalpha(static_cast<unsigned char>(c)) != 0) return c;
  return c + 256;
}

int compare_part(std::string_view a, std::string_view b) {
  std::size_t i = 0;
  std::size_t j = 0;
  const auto at = [](std::string_view text, std::size_t index) {
    return index < text.size() ? text[index] : '\0';
  };
  while (i < a.size() || j < b.size()) {
    while ((i < a.size() && !is_digit(a[i])) || (j < b.size() && !is_digit(b[j]))) {
      const int difference = order_of(at(a, i)) - order_of(at(b, j));
      if (difference != 0) return difference;
      ++i;
      ++j;
    }
    while (at(a, i) == '0') ++i;
    while (at(b, j) == '0') ++j;
    int first_difference = 0;
    while (i < a.size() && j < b.size() && is_digit(a[i]) && is_digit(b[j])) {
      if (first_difference == 0) first_difference = a[i] - b[j];
      ++i;
      ++j;
    }
    if (i < a.size() && is_digit(a[i])) return 1;
    if (j < b.size() && is_digit(b[j])) return -1;
    if (first_difference != 0) return first_difference;
  }
  return 0;
}

struct Version {
  std::string_view epoch = "0";
  std::string_view upstream;
  std::string_view revision;
};

Version parse_version(std::string_view text) {
  Version version;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    version.epoch = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  const std::size_t dash = text.rfind('-');
  version.upstream = text.substr(0, dash);
  if (dash != std::string_view::npos) version.revision = text.substr(dash + 1);
  return version;
}

Relation parse_relation(std::string_view text) {
  Relation relation;
  // "[amd64]" and "<!nocheck>" stand in source packages only.
  const std::size_t open = text.find('(');
  std::string_view name = trim(text.substr(0, std::min(open, text.find_first_of("[<", 0))));
  if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    relation.arch = name.substr(colon + 1);
    name = name.substr(0, colon);
  }
  relation.name = name;
  if (open == std::string_view::npos) return relation;
  const std::string_view inside = trim(text.substr(open + 1, text.find(')', open) - open - 1));
  const std::size_t end = inside.find_first_not_of("<>=");
  relation.op = inside.substr(0, end);
  if (end != std::string_view::npos) relation.version = trim(inside.substr(end));
  return relation;
}

}  // namespace

std::string_view Stanza::get(std::string_view name) const {
  for (const auto& [key, value] : fields_)
    if (same_name(key, name)) return value;
  return {};
}

std::optional<Stanza> next_stanza(std::string_view& text) {
  Stanza stanza;
  std::string_view name;
  const char* value_begin = nullptr;
  const char* value_end = nullptr;
  const auto close_field = [&] {
    if (name.empty()) return;
    stanza.add(name, trim({value_begin, static_cast<std::size_t>(value_end - value_begin)}));
    name = {};
  };
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (trim(line).empty()) {
      close_field();
      if (!stanza.empty()) return stanza;
      continue;
    }
    if (line.front() == ' ' || line.front() == '\t') {
      value_end = line.data() + line.size();
      continue;
    }
    close_field();
    const std::size_t colon = line.find(':');
    if (line.front() == '#' || colon == std::string_view::npos) continue;
    name = trim(line.substr(0, colon));
    value_begin = line.data() + colon + 1;
    value_end = line.data() + line.size();
  }
  close_field();
  if (stanza.empty()) return std::nullopt;
  return stanza;
}

std::vector<std::vector<Relation>> parse_relations(std::string_view text) {
  std::vector<std::vector<Relation>> groups;
  for (const std::string& group : split(text, ',')) {
    if (trim(group).empty()) continue;
    std::vector<Relation>& alternatives = groups.emplace_back();
    for (const std::string& alternative : split(group, '|'))
      alternatives.push_back(parse_relation(alternative));
  }
  return groups;
}

int compare_versions(std::string_view a, std::string_view b) {
  const Version left = parse_version(a);
  const Version right = parse_version(b);
  if (const int difference = compare_part(left.epoch, right.epoch); difference != 0) return difference;
  if (const int difference = compare_part(left.upstream, right.upstream); difference != 0) return difference;
  return compare_part(left.revision, right.revision);
}

bool satisfies(std::string_view version, const std::string& op, std::string_view wanted) {
  if (op.empty()) return true;
  const int order = compare_versions(version, wanted);
  if (op == "=") return order == 0;
  if (op == ">=") return order >= 0;
  if (op == "<=") return order <= 0;
  if (op == ">>") return order > 0;
  if (op == "<<") return order < 0;
  return false;
}

}  // namespace alephc::debian
