// SPDX-License-Identifier: MIT
#include <algorithm>
#include <deque>
#include <map>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "distro/alpine/alpine.hpp"
#include "distro/alpine/database.hpp"
#include "distro/alpine/dependency.hpp"

namespace alephc::alpine {
namespace {

std::vector<InstalledRecord> read_installed(const Tree& tree) {
  const Entry* entry = tree.find(tree.resolve(kInstalled));
  if (entry == nullptr) return {};
  return parse_installed(tree.read_content(*entry));
}

std::map<std::string, std::vector<std::string>> needs_of(const std::vector<InstalledRecord>& records) {
  std::map<std::string_view, std::string> provider;
  for (const InstalledRecord& record : records) provider[record.get('P')] = record.get('P');
  for (const InstalledRecord& record : records)
    for (const Dependency& provided : parse_dependencies(record.get('p')))
      provider.try_emplace(provided.name, record.get('P'));
  std::map<std::string, std::vector<std::string>> needs;
  for (const InstalledRecord& record : records) {
    std::vector<std::string>& list = needs[std::string(record.get('P'))];
    for (const Dependency& dependency : parse_dependencies(record.get('D')))
      if (const auto it = provider.find(dependency.name); !dependency.conflict && it != provider.end())
        list.push_back(it->second);
  }
  return needs;
}

}  // namespace

std::vector<std::string> explain_package(const Manifest& manifest, const Tree& tree,
                                         const std::string& name) {
  const std::vector<InstalledRecord> records = read_installed(tree);
  const auto needs = needs_of(records);
  const auto record = std::find_if(records.begin(), records.end(),
                                   [&](const InstalledRecord& each) { return each.get('P') == name; });
  if (record == records.end()) {
    std::vector<std::string> names;
    for (const auto& [known, list] : needs) names.push_back(known);
    throw Error(ErrorKind::failed, "the package '" + name + "' is not in the image",
                did_you_mean(name, names));
  }
  std::map<std::string, std::string> reached;  // package → what needs it, or where it is asked for
  std::deque<std::string> queue;
  std::map<std::string, std::string> asked;
  for (const Text& text : manifest.packages.install) {
    const auto request = parse_dependency(text.value);
    const std::string wanted = request ? std::string(request->name) : text.value;
    const std::string place =
        text.at.source ? text.at.source->name + ":" + std::to_string(text.at.line) : "the manifest";
    if (needs.contains(wanted) && asked.try_emplace(wanted, place).second) queue.push_back(wanted);
  }
  for (const std::string& each : queue) reached[each] = "";
  while (!queue.empty() && !reached.contains(name)) {
    const std::string at = queue.front();
    queue.pop_front();
    for (const std::string& need : needs.at(at))
      if (reached.try_emplace(need, at).second) queue.push_back(need);
  }
  if (!reached.contains(name)) {
    const std::string_view condition = record->get('i');
    if (!condition.empty()) return {name + " comes by itself where there are: " + std::string(condition)};
    return {name + " is installed, but nothing in the image requires it"};
  }
  std::vector<std::string> lines;
  for (std::string at = name; !at.empty(); at = reached[at])
    lines.push_back(reached[at].empty() ? at + " is asked for in packages.install (" + asked[at] + ")"
                                        : at + " is needed by " + reached[at]);
  std::reverse(lines.begin(), lines.end());
  return lines;
}

std::vector<std::vector<std::string>> suspects(const Tree& tree, const std::vector<std::string>& paths) {
  const auto owners = read_owners(tree);
  std::vector<Script> scripts;
  if (const Entry* entry = tree.find(tree.resolve(kScripts)))
    scripts = parse_scripts_tar(tree.read_content(*entry));
  std::vector<std::vector<std::string>> out;
  for (const std::string& path : paths) {
    std::vector<std::string>& found = out.emplace_back();
    if (const auto it = owners.find(path); it != owners.end()) found.push_back(it->second);
    if (!found.empty()) continue;
    for (const Script& script : scripts)
      if (script.text.find("/" + path) != std::string::npos) found.push_back(script.package);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
  }
  return out;
}

bool is_database(const std::string& path) {
  return path == kInstalled || path == std::string("usr/") + kInstalled;
}

std::vector<InstalledPackage> read_database(const Listing& listing,
                                            const std::map<std::string, std::string>& texts) {
  std::vector<InstalledPackage> packages;
  for (const auto& [file, text] : texts) {
    if (!is_database(file)) continue;
    for (const InstalledRecord& record : parse_installed(text)) {
      InstalledPackage& package =
          packages.emplace_back(InstalledPackage{.name = std::string(record.get('P')),
                                                 .version = std::string(record.get('V')),
                                                 .arch = std::string(record.get('A'))});
      for (const InstalledFolder& folder : record.folders)
        for (const InstalledFile& each : folder.files)
          if (const std::string path = join_path(folder.path, each.name);
              find_entry(listing, path) != nullptr)
            package.paths.push_back(path);
    }
  }
  std::sort(packages.begin(), packages.end(),
            [](const InstalledPackage& a, const InstalledPackage& b) { return a.name < b.name; });
  return packages;
}

}  // namespace alephc::alpine
