// SPDX-License-Identifier: MIT
#include "distro/alpine/dependency.hpp"

#include <algorithm>

#include "distro/alpine/version.hpp"

namespace alephc::alpine {
namespace {

constexpr std::string_view kOperators = "<>=~";

std::uint8_t relation_of(char c) {
  switch (c) {
    case '<':
      return Dependency::less;
    case '>':
      return Dependency::greater;
    case '~':
      return Dependency::fuzzy | Dependency::equal;
    default:
      return Dependency::equal;
  }
}

}  // namespace

std::optional<Dependency> parse_dependency(std::string_view text) {
  Dependency out;
  if (text.starts_with('!')) {
    out.conflict = true;
    text.remove_prefix(1);
  }
  const std::size_t name_end = std::min(text.find_first_of("<>=~@"), text.size());
  out.name = text.substr(0, name_end);
  text.remove_prefix(name_end);
  const auto take_tag = [&] {
    if (!text.starts_with('@')) return;
    const std::size_t end = std::min(text.find_first_of("<>=~@", 1), text.size());
    out.tag = text.substr(1, end - 1);
    text.remove_prefix(end);
  };
  take_tag();
  while (!text.empty() && kOperators.find(text[0]) != std::string_view::npos) {
    out.relations |= relation_of(text[0]);
    text.remove_prefix(1);
  }
  if (out.relations == (Dependency::less | Dependency::greater)) out.relations = Dependency::identity;
  if (out.relations != 0) {
    const std::size_t end = std::min(text.find('@'), text.size());
    out.version = text.substr(0, end);
    text.remove_prefix(end);
    if (out.version.empty()) return std::nullopt;
    if (out.relations != Dependency::identity && !is_version(out.version)) return std::nullopt;
    take_tag();
  }
  if (out.name.empty() || !text.empty()) return std::nullopt;
  return out;
}

std::vector<Dependency> parse_dependencies(std::string_view field) {
  std::vector<Dependency> out;
  while (!field.empty()) {
    const std::size_t end = std::min(field.find_first_of(" \n\t"), field.size());
    if (const auto dependency = parse_dependency(field.substr(0, end))) out.push_back(*dependency);
    field.remove_prefix(std::min(end + 1, field.size()));
  }
  return out;
}

std::string text_of(const Dependency& dependency) {
  std::string out = dependency.conflict ? "!" : "";
  out += dependency.name;
  if (!dependency.tag.empty()) out += "@" + std::string(dependency.tag);
  if (dependency.relations == Dependency::identity) return out + "><" + std::string(dependency.version);
  if ((dependency.relations & Dependency::less) != 0) out += "<";
  if ((dependency.relations & Dependency::greater) != 0) out += ">";
  if ((dependency.relations & Dependency::fuzzy) != 0)
    out += "~";
  else if ((dependency.relations & Dependency::equal) != 0)
    out += "=";
  return out + std::string(dependency.version);
}

bool matches(const Dependency& dependency, std::string_view version, std::string_view identity) {
  if (dependency.relations == 0) return true;
  if (dependency.relations == Dependency::identity) return dependency.version == identity;
  if (version.empty()) return false;
  if ((dependency.relations & Dependency::fuzzy) != 0 && begins_with_version(version, dependency.version))
    return true;
  const auto order = compare_versions(version, dependency.version);
  if (order < 0) return (dependency.relations & Dependency::less) != 0;
  if (order > 0) return (dependency.relations & Dependency::greater) != 0;
  return (dependency.relations & Dependency::equal) != 0;
}

}  // namespace alephc::alpine
