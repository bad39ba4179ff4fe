// SPDX-License-Identifier: MIT
#include "distro/installed.hpp"

#include "distro/debian/debian.hpp"

namespace alephc {

bool is_package_database(const std::string& path) {
  return debian::is_database(path);
}

std::vector<InstalledPackage> read_installed(const Listing& listing,
                                             const std::map<std::string, std::string>& texts) {
  return debian::read_database(listing, texts);
}

}  // namespace alephc
