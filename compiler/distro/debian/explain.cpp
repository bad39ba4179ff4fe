// SPDX-License-Identifier: MIT
#include <algorithm>
#include <deque>
#include <map>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/debian.hpp"
#include "distro/debian/requests.hpp"

namespace alephc::debian {
namespace {

struct Installed {
  bool essential = false;
  std::string priority{};
  std::vector<std::pair<std::string, std::string>> needs{};  ///< (package, the field that says so)
};

/// dpkg's database as a graph of what is installed; a need is led to the package that provides it.
std::map<std::string, Installed> read_installed(const Tree& tree) {
  std::map<std::string, Installed> installed;
  std::map<std::string, std::string> provider;
  const Entry* status = tree.find("var/lib/dpkg/status");
  if (status == nullptr) return installed;
  const std::string text = tree.read_content(*status);
  std::vector<Stanza> stanzas;
  std::string_view rest = text;
  while (auto stanza = next_stanza(rest)) stanzas.push_back(std::move(*stanza));
  for (const Stanza& stanza : stanzas) {
    const std::string name(stanza.get("Package"));
    provider[name] = name;
    for (const auto& group : parse_relations(stanza.get("Provides")))
      for (const Relation& relation : group) provider.try_emplace(relation.name, name);
  }
  for (const Stanza& stanza : stanzas) {
    Installed& package = installed[std::string(stanza.get("Package"))];
    package.essential = stanza.get("Essential") == "yes";
    package.priority = stanza.get("Priority");
    for (const char* field : {"Pre-Depends", "Depends", "Recommends"})
      for (const auto& group : parse_relations(stanza.get(field)))
        for (const Relation& relation : group)
          if (const auto it = provider.find(relation.name); it != provider.end())
            package.needs.emplace_back(it->second, field);
  }
  return installed;
}

}  // namespace

std::vector<std::string> explain_package(const Manifest& manifest, const Lock& /*lock*/, const Tree& tree,
                                         const std::string& name) {
  const std::map<std::string, Installed> installed = read_installed(tree);
  if (!installed.contains(name)) {
    std::vector<std::string> names;
    for (const auto& [known, package] : installed) names.push_back(known);
    throw Error(ErrorKind::failed, "the package '" + name + "' is not in the image",
                did_you_mean(name, names));
  }
  struct Reached {
    std::string from{};
    std::string how{};
  };
  std::map<std::string, Reached> reached;
  std::deque<std::string> queue;
  const auto seed = [&](const std::string& package, const std::string& how) {
    if (installed.contains(package) && reached.try_emplace(package, Reached{"", how}).second)
      queue.push_back(package);
  };
  for (const Text& text : manifest.packages.install) {
    std::string place =
        text.at.source ? text.at.source->name + ":" + std::to_string(text.at.line) : "the manifest";
    seed(parse_request(text.value).name, "asked for in packages.install (" + place + ")");
  }
  for (const auto& [package, info] : installed) {
    if (info.essential)
      seed(package, "part of every Debian system (Essential)");
    else if (info.priority == "required")
      seed(package, "part of every Debian system (Priority: required)");
  }
  seed("apt", "part of the base system");
  seed("usr-is-merged", "part of the base system");
  while (!queue.empty() && !reached.contains(name)) {
    const std::string at = queue.front();
    queue.pop_front();
    for (const auto& [need, field] : installed.at(at).needs)
      if (reached.try_emplace(need, Reached{at, field}).second) queue.push_back(need);
  }
  if (!reached.contains(name)) return {name + " is installed, but nothing in the image requires it"};
  std::vector<std::string> lines;
  for (std::string at = name; !at.empty(); at = reached[at].from) {
    const Reached& step = reached[at];
    lines.push_back(step.from.empty() ? at + " is " + step.how
                                      : at + " is in " + step.how + " of " + step.from);
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

namespace {

constexpr std::string_view kInfo = "var/lib/dpkg/info/";

/// Package of a file of dpkg's database: "libc6" of libc6:amd64.list.
std::string package_of(const std::string& file) {
  const std::string name = base_name(file);
  return name.substr(0, name.rfind('.'));
}

bool is_script(const std::string& path) {
  return path.starts_with(kInfo) && (path.ends_with(".postinst") || path.ends_with(".preinst") ||
                                     path.ends_with(".config") || path.ends_with(".triggers"));
}

std::vector<std::string> scripts_that_name(const Tree& tree, const std::string& word) {
  std::vector<std::string> packages;
  for (const Entry& entry : tree.entries())
    if (is_script(entry.path) && tree.read_content(entry).find(word) != std::string::npos &&
        (packages.empty() || packages.back() != package_of(entry.path)))
      packages.push_back(package_of(entry.path));
  return packages;
}

/// Packages whose scripts name a path, or else the nearest folder above it.
std::vector<std::string> packages_that_name(const Tree& tree, const std::string& path) {
  for (std::string at = "/" + path; at.size() > 1; at = at.substr(0, at.rfind('/'))) {
    std::vector<std::string> packages = scripts_that_name(tree, at);
    // A folder that half of all scripts name says nothing.
    constexpr std::size_t kFew = 3;
    if (!packages.empty()) return packages.size() <= kFew ? packages : std::vector<std::string>{};
  }
  return {};
}

}  // namespace

std::vector<std::vector<std::string>> suspects(const Tree& tree, const std::vector<std::string>& paths) {
  if (paths.empty()) return {};
  const auto owners = read_owners(tree);
  std::vector<std::vector<std::string>> out;
  for (const std::string& path : paths) {
    const auto owner = owners.find(path);
    out.push_back(owner == owners.end() ? packages_that_name(tree, path) : std::vector{owner->second});
  }
  return out;
}

}  // namespace alephc::debian
