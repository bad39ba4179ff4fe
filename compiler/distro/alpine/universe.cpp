// SPDX-License-Identifier: MIT
#include "distro/alpine/universe.hpp"

#include <algorithm>

namespace alephc::alpine {

Universe::Universe(const PackageIndex& index, const std::vector<std::string>& tags) : index_(index) {
  tag_names_.emplace_back("");
  for (const std::string& tag : tags) source_bits_.push_back(bit_of(tag));
  load();
}

std::uint64_t Universe::bit_of(std::string_view tag) {
  const auto it = std::find(tag_names_.begin(), tag_names_.end(), tag);
  const auto i = static_cast<std::uint64_t>(it - tag_names_.begin());
  if (it == tag_names_.end()) tag_names_.emplace_back(tag);
  return std::uint64_t{1} << std::min<std::uint64_t>(i, 63);
}

void Universe::prefer_tag(std::uint32_t name, std::string_view tag) {
  for (const Provider& provider : names[name].providers) {
    packages[provider.package].tags |= bit_of(tag);
    packages[provider.package].preferred_tags = bit_of(tag);
  }
}

std::uint32_t Universe::name_id(std::string_view text) {
  const auto [it, is_new] = ids_.try_emplace(text, static_cast<std::uint32_t>(names.size()));
  if (is_new) names.push_back({.text = text});
  return it->second;
}

void Universe::load() {
  const auto& indexed = index_.packages();
  ids_.reserve(indexed.size() * 4);
  packages.resize(indexed.size());
  for (std::uint32_t i = 0; i < indexed.size(); ++i) {
    Package& package = packages[i];
    package.tags = bit_of("");
    package.preferred_tags = package.tags;
    package.name = name_id(indexed[i].name);
    names[package.name].providers.push_back({i, indexed[i].version});
    for (const Dependency& provided : indexed[i].provides) {
      const std::uint32_t name = name_id(provided.name);
      if (name == package.name) continue;
      package.provides.push_back(name);
      names[name].providers.push_back({i, provided.version});
    }
    for (const Dependency& dependency : indexed[i].depends) {
      package.depends.push_back({name_id(dependency.name), dependency});
      names[package.depends.back().name].needed_by.push_back(i);
    }
    for (const Dependency& dependency : indexed[i].install_if) {
      package.install_if.push_back({name_id(dependency.name), dependency});
      names[package.install_if.back().name].triggers.push_back(i);
    }
  }
  // apk goes through those of one name in the order of its hash table: any fixed one will do.
  for (Name& name : names)
    std::stable_sort(name.triggers.begin(), name.triggers.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return indexed[a].name < indexed[b].name; });
}

bool Universe::is_allowed(std::uint32_t package) const {
  return (packages[package].tags & source_bits_[index_.packages()[package].source]) != 0;
}

bool Universe::is_preferred(std::uint32_t package) const {
  return (packages[package].preferred_tags & source_bits_[index_.packages()[package].source]) != 0;
}

bool Universe::fits(const Dependency& dependency, const Provider& provider) const {
  return matches(dependency, provider.version, index_.packages()[provider.package].identity) !=
         dependency.conflict;
}

bool Universe::is_satisfied(const Need& need) const {
  const Provider& chosen = names[need.name].chosen;
  return chosen.package == kNone ? need.dependency.conflict : fits(need.dependency, chosen);
}

bool Universe::can_be_satisfied(const Need& need) const {
  const Name& name = names[need.name];
  if (name.decided) return is_satisfied(need);
  if (need.dependency.conflict) return true;
  return std::any_of(name.providers.begin(), name.providers.end(), [&](const Provider& provider) {
    return packages[provider.package].possible && fits(need.dependency, provider);
  });
}

bool Universe::may_be_taken(const Name& name, const Provider& provider) const {
  const Package& package = packages[provider.package];
  if (name.requirers == 0 && !(package.triggered && package.possible && is_allowed(provider.package)))
    return false;
  if (!provider.version.empty() || names[package.name].text == name.text) return true;
  return names[package.name].requirers > 0 || indexed(provider.package).priority > 0;
}

std::map<std::uint32_t, std::string_view> Universe::named_by(std::uint32_t package) const {
  const IndexedPackage& indexed = index_.packages()[package];
  std::map<std::uint32_t, std::string_view> found{{packages[package].name, indexed.version}};
  for (const Dependency& provided : indexed.provides)
    found.try_emplace(ids_.at(provided.name), provided.version);
  return found;
}

std::string Universe::label(std::uint32_t package) const {
  if (package == kNone) return "the manifest";
  const IndexedPackage& indexed = index_.packages()[package];
  return std::string(indexed.name) + " " + std::string(indexed.version);
}

std::string Universe::wish(std::uint32_t by, const Need& need) const {
  return label(by) + " wants " + text_of(need.dependency);
}

}  // namespace alephc::alpine
