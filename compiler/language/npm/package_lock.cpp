// SPDX-License-Identifier: MIT
#include "language/npm/package_lock.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/json.hpp"
#include "lock/lock_file.hpp"

namespace alephc {
namespace {

constexpr std::string_view kModules = "node_modules/";

/// npm's lists: names that are meant, or "!NAME" for all but these.
bool fits(const SortedJson& package, const char* key, const std::string& value) {
  const auto it = package.find(key);
  if (it == package.end() || it->empty()) return true;
  // A text is a list of one.
  const SortedJson list = it->is_string() ? SortedJson::array({*it}) : *it;
  if (!list.is_array()) return true;
  bool only = false;
  bool named = false;
  for (const SortedJson& item : list) {
    if (!item.is_string()) continue;
    const auto& text = item.get_ref<const std::string&>();
    if (text == "!" + value) return false;
    if (!text.starts_with('!')) only = true;
    named = named || text == value || text == "any";
  }
  return named || !only;
}

bool flag(const SortedJson& package, const char* key) {
  const auto it = package.find(key);
  return it != package.end() && it->is_boolean() && it->get<bool>();
}

[[noreturn]] void refuse(const std::string& why, const std::string& hint) {
  throw Error(ErrorKind::failed, why, hint);
}

}  // namespace

std::vector<NpmPackage> read_package_lock(const std::string& file, const std::string& text,
                                          const NpmTarget& target, Reporter* reporter) {
  const SortedJson root = parse_shallow(text);
  if (!root.is_object() || !root.contains("packages") || !root["packages"].is_object())
    refuse(file + " is not a package-lock.json of version 2 or 3",
           "make it with 'npm install --package-lock-only'");
  std::vector<NpmPackage> packages;
  for (const auto& [path, package] : root["packages"].items()) {
    if (path.empty() || !package.is_object()) continue;
    if (target.production && flag(package, "dev")) continue;
    if (flag(package, "inBundle")) continue;
    if (!fits(package, "os", "linux") || !fits(package, "cpu", target.cpu) ||
        !fits(package, "libc", target.libc)) {
      if (flag(package, "optional") || flag(package, "devOptional") || flag(package, "peer")) continue;
      refuse(file + ": '" + path + "' is not for linux on " + target.cpu + " with " + target.libc,
             "npm would refuse it too");
    }
    if (!is_module_path(path) || flag(package, "link"))
      refuse(file + ": '" + path + "' is a folder of the project, not a package of a registry",
             "put it in with [[file]], and leave workspaces out of the lock");
    NpmPackage found{.path = path,
                     .name = text_at(package, "name"),
                     .version = text_at(package, "version"),
                     .resolved = text_at(package, "resolved"),
                     .integrity = strongest_integrity(text_at(package, "integrity"))};
    if (const auto bin = package.find("bin"); bin != package.end() && bin->is_object())
      for (const auto& [name, target_path] : bin->items())
        if (target_path.is_string()) found.bins.push_back(name + "=" + target_path.get<std::string>());
    if (found.name.empty()) found.name = path.substr(path.rfind(kModules) + kModules.size());
    if (found.integrity.empty() || (!found.resolved.empty() && !found.resolved.starts_with("http")))
      refuse(file + ": '" + path + "' has no integrity, so nothing says what its bytes must be",
             "only packages of a registry can be installed; lock again with npm 7 or later");
    if (reporter != nullptr && flag(package, "hasInstallScript"))
      reporter->diagnostic({.severity = Severity::warning,
                            .message = found.name + " has install scripts, which are not run",
                            .hint = "if it needs them, run them in a [[run]]"});
    packages.push_back(std::move(found));
  }
  std::sort(packages.begin(), packages.end(),
            [](const NpmPackage& a, const NpmPackage& b) { return a.path < b.path; });
  return packages;
}

}  // namespace alephc
