// SPDX-License-Identifier: MIT
#include "distro/debian/index.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "distro/debian/control.hpp"

namespace alephc::debian {

void PackageIndex::add(std::string_view text, std::uint32_t source, std::int64_t priority_pin) {
  while (const auto stanza = next_stanza(text)) {
    IndexedPackage package{.source = source, .priority_pin = priority_pin};
    for (const auto& [name, value] : stanza->fields()) {
      if (name == "Package")
        package.name = value;
      else if (name == "Version")
        package.version = value;
      else if (name == "Architecture")
        package.arch = value;
      else if (name == "Filename")
        package.filename = value;
      else if (name == "Priority")
        package.priority = value;
      else if (name == "Depends")
        package.depends = value;
      else if (name == "Pre-Depends")
        package.pre_depends = value;
      else if (name == "Provides")
        package.provides = value;
      else if (name == "Multi-Arch")
        package.multi_arch = value;
      else if (name == "Essential")
        package.essential = value == "yes";
      else if (name == "Size")
        package.size = parse_unsigned(value).value_or(0);
      else if (name == "SHA256")
        package.sha256 = Digest::from_hex(value).value_or(Digest{});
    }
    // Without a name, a place or a hash it is nothing that could be installed.
    if (package.name.empty() || package.version.empty() || package.filename.empty() ||
        package.sha256.is_zero())
      continue;
    by_name_.emplace(package.name, packages_.size());
    packages_.push_back(package);
  }
}

std::vector<const IndexedPackage*> PackageIndex::named(std::string_view name) const {
  std::vector<const IndexedPackage*> found;
  const auto [begin, end] = by_name_.equal_range(name);
  for (auto it = begin; it != end; ++it) found.push_back(&packages_[it->second]);
  return found;
}

const IndexedPackage* PackageIndex::find(std::string_view name, std::string_view version,
                                         std::string_view arch) const {
  const IndexedPackage* best = nullptr;
  for (const IndexedPackage* package : named(name)) {
    if (package->version != version || package->arch != arch) continue;
    const bool better = best == nullptr || package->priority_pin > best->priority_pin ||
                        (package->priority_pin == best->priority_pin && package->source < best->source);
    if (better) best = package;
  }
  return best;
}

std::vector<std::string> PackageIndex::providers_of(std::string_view name) const {
  std::vector<std::string> providers;
  for (const IndexedPackage& package : packages_) {
    if (package.provides.find(name) == std::string_view::npos) continue;
    for (const auto& group : parse_relations(package.provides))
      for (const Relation& relation : group)
        if (relation.name == name &&
            std::find(providers.begin(), providers.end(), package.name) == providers.end())
          providers.emplace_back(package.name);
  }
  return providers;
}

std::vector<std::string> PackageIndex::names() const {
  std::vector<std::string> names;
  for (auto it = by_name_.begin(); it != by_name_.end(); it = by_name_.upper_bound(it->first))
    names.emplace_back(it->first);
  return names;
}

}  // namespace alephc::debian
