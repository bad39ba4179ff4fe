// SPDX-License-Identifier: MIT
#include "distro/installed.hpp"

#include <algorithm>

#include "distro/distro.hpp"

namespace alephc {

namespace {

/// Asked for every path of an image, so it is made once.
const std::vector<const Distro*>& known_distros() {
  static const std::vector<const Distro*> all = all_distros();
  return all;
}

}  // namespace

bool is_package_database(const std::string& path) {
  const std::vector<const Distro*>& all = known_distros();
  return std::any_of(all.begin(), all.end(), [&](const Distro* distro) { return distro->is_database(path); });
}

std::vector<InstalledPackage> read_installed(const Listing& listing,
                                             const std::map<std::string, std::string>& texts) {
  for (const Distro* distro : known_distros())
    if (std::any_of(texts.begin(), texts.end(),
                    [&](const auto& text) { return distro->is_database(text.first); }))
      return distro->read_database(listing, texts);
  return {};
}

std::map<std::string, std::string> read_owners(const Tree& tree) {
  std::map<std::string, std::string> texts;
  for (const Entry& entry : tree.entries())
    if (is_package_database(entry.path)) texts[entry.path] = tree.read_content(entry);
  std::map<std::string, std::string> owners;
  for (const InstalledPackage& package : read_installed(tree.entries(), texts))
    for (const std::string& path : package.paths) owners.emplace(path, package.name);
  return owners;
}

std::vector<std::string> explain_owner(const Tree& tree, const std::string& path) {
  const auto owners = read_owners(tree);
  const auto owner = owners.find(path);
  if (owner == owners.end()) return {};
  return {"/" + path + " belongs to the package " + owner->second};
}

}  // namespace alephc
