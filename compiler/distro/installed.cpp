// SPDX-License-Identifier: MIT
#include "distro/installed.hpp"

#include <algorithm>

#include "distro/alpine/alpine.hpp"
#include "distro/debian/debian.hpp"

namespace alephc {

bool is_package_database(const std::string& path) {
  return debian::is_database(path) || alpine::is_database(path);
}

std::vector<InstalledPackage> read_installed(const Listing& listing,
                                             const std::map<std::string, std::string>& texts) {
  const bool has_apk = std::any_of(texts.begin(), texts.end(),
                                   [](const auto& text) { return alpine::is_database(text.first); });
  return has_apk ? alpine::read_database(listing, texts) : debian::read_database(listing, texts);
}

}  // namespace alephc
