// SPDX-License-Identifier: MIT
#include "base/text.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/debian.hpp"

namespace alephc::debian {
namespace {

constexpr std::string_view kInfo = "var/lib/dpkg/info/";
constexpr std::string_view kList = ".list";

bool is_list(const std::string& path) {
  return path.starts_with(kInfo) && path.ends_with(kList);
}

/// Packages name paths as before the merge of / and /usr.
std::string place_of(const Listing& listing, const std::string& path) {
  if (find_entry(listing, path) != nullptr || find_entry(listing, "usr/" + path) == nullptr) return path;
  return "usr/" + path;
}

}  // namespace

bool is_database(const std::string& path) {
  return path == "var/lib/dpkg/status" || is_list(path);
}

std::vector<InstalledPackage> read_database(const Listing& listing,
                                            const std::map<std::string, std::string>& texts) {
  std::map<std::string, InstalledPackage> packages;
  const auto status = texts.find("var/lib/dpkg/status");
  if (status == texts.end()) return {};
  std::string_view rest = status->second;
  while (const auto stanza = next_stanza(rest)) {
    if (stanza->get("Status").find("not-installed") != std::string_view::npos) continue;
    InstalledPackage package{.name = std::string(stanza->get("Package")),
                             .version = std::string(stanza->get("Version")),
                             .arch = std::string(stanza->get("Architecture"))};
    packages[package.name] = std::move(package);
  }
  for (const auto& [file, text] : texts) {
    if (!is_list(file)) continue;
    std::string name = file.substr(kInfo.size(), file.size() - kInfo.size() - kList.size());
    name = name.substr(0, name.find(':'));
    const auto package = packages.find(name);
    if (package == packages.end()) continue;
    for (const std::string& path : split(text, '\n'))
      if (path.size() > 1 && path != "/.") package->second.paths.push_back(place_of(listing, path.substr(1)));
  }
  std::vector<InstalledPackage> out;
  for (auto& [name, package] : packages) out.push_back(std::move(package));
  return out;
}

}  // namespace alephc::debian
