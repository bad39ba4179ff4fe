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

/// "install ok installed": of what was removed, only the configuration may be left.
bool has_files(std::string_view status) {
  const std::vector<std::string> words = split_words(status);
  return words.size() == 3 && words[2] != "not-installed" && words[2] != "config-files";
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
    if (!has_files(stanza->get("Status"))) continue;
    InstalledPackage package{.name = std::string(stanza->get("Package")),
                             .version = std::string(stanza->get("Version")),
                             .arch = std::string(stanza->get("Architecture"))};
    // Packages of one name and several architectures may be installed side by side.
    packages[package.name + ":" + package.arch] = std::move(package);
  }
  for (const auto& [file, text] : texts) {
    if (!is_list(file)) continue;
    std::string name = file.substr(kInfo.size(), file.size() - kInfo.size() - kList.size());
    // Where there can be only one, the file has no architecture in its name.
    const bool has_arch = name.find(':') != std::string::npos;
    const auto package = has_arch ? packages.find(name) : packages.lower_bound(name + ":");
    if (package == packages.end() || (!has_arch && package->second.name != name)) continue;
    for (const std::string& path : split(text, '\n'))
      if (path.size() > 1 && path != "/.") package->second.paths.push_back(place_of(listing, path.substr(1)));
  }
  std::vector<InstalledPackage> out;
  for (auto& [name, package] : packages) out.push_back(std::move(package));
  return out;
}

}  // namespace alephc::debian
