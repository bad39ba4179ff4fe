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

std::vector<std::string> explain_path(const Tree& tree, const std::string& path) {
  for (const Entry& entry : tree.entries()) {
    if (!entry.path.starts_with("var/lib/dpkg/info/") || !entry.path.ends_with(".list")) continue;
    const std::string text = "\n" + tree.read_content(entry);
    // Packages name paths as before the merge of / and /usr.
    const bool ships =
        text.find("\n/" + path + "\n") != std::string::npos ||
        (path.starts_with("usr/") && text.find("\n/" + path.substr(4) + "\n") != std::string::npos);
    if (!ships) continue;
    const std::string file = base_name(entry.path);
    return {"/" + path + " belongs to the package " + file.substr(0, file.size() - 5)};
  }
  return {};
}

}  // namespace alephc::debian
