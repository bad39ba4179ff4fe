// SPDX-License-Identifier: MIT
#include "distro/debian/database.hpp"

#include <algorithm>
#include <set>

#include "base/files.hpp"
#include "base/text.hpp"
#include "distro/debian/control.hpp"

namespace alephc::debian {
namespace {

const std::string kDpkg = "var/lib/dpkg/";
constexpr const char* kObsolete = " obsolete";

/// What dpkg knows of a conffile already, from a package that loses it: its hash, else that it is new.
std::string known_hash(const std::string& status, const std::string& path) {
  const std::string line = "\n " + path + " ";
  const std::size_t at = status.find(line);
  if (at == std::string::npos) return "newconffile";
  const std::size_t begin = at + line.size();
  return status.substr(begin, status.find_first_of(" \n", begin) - begin);
}

std::string status_stanza(const UnpackedPackage& package, const std::string& status) {
  std::string out;
  std::string_view rest = package.control;
  const auto stanza = next_stanza(rest);
  for (const auto& [name, value] : stanza->fields()) {
    if (name == "Status" || name == "Conffiles") continue;
    out += std::string(name) + ": " + std::string(value) + "\n";
    if (name == "Package") out += "Status: install ok unpacked\n";
  }
  if (!package.conffiles.empty()) {
    out += "Conffiles:\n";
    for (const std::string& path : package.conffiles)
      out += " " + path + " " + known_hash(status, path) +
             (package.obsolete.contains(path) ? kObsolete : "") + "\n";
  }
  return out + "\n";
}

/// Directives of a triggers control file: "interest-noawait /usr/lib/x" → {"interest-noawait", "/usr/lib/x"}.
std::vector<std::pair<std::string, std::string>> trigger_directives(const UnpackedPackage& package) {
  std::vector<std::pair<std::string, std::string>> directives;
  const auto file = package.control_files.find("triggers");
  if (file == package.control_files.end()) return directives;
  for (const std::string& line : split(file->second.content, '\n')) {
    const std::vector<std::string> words = split_words(line.substr(0, line.find('#')));
    if (words.size() == 2) directives.emplace_back(words[0], words[1]);
  }
  return directives;
}

/// Whether one is a path, or below it.
bool brings_below(const std::vector<std::string>& paths, const std::string& above) {
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& path) {
    return path.starts_with(above) && (path.size() == above.size() || path[above.size()] == '/');
  });
}

}  // namespace

bool hears(const UnpackedPackage& listener, const UnpackedPackage& news,
           const std::vector<std::string>& paths) {
  std::set<std::string> activated;
  for (const auto& [directive, trigger] : trigger_directives(news))
    if (directive.starts_with("activate")) activated.insert(trigger);
  for (const auto& [directive, trigger] : trigger_directives(listener))
    if (directive.starts_with("interest") && (activated.contains(trigger) || brings_below(paths, trigger)))
      return true;
  return false;
}

std::string Database::read(const std::string& path) const {
  if (auto text = upper_.read(path)) return std::move(*text);
  const Entry* entry = below_.find(path);
  return entry != nullptr && entry->type == EntryType::regular ? below_.read_content(*entry) : std::string();
}

void Database::write(const std::string& path, const std::string& content, std::uint32_t mode) const {
  upper_.write(path, content, mode);
}

void Database::create(const std::vector<std::string>& archs) const {
  for (const char* folder : {"info", "alternatives", "parts", "triggers", "updates"})
    upper_.make_folders(kDpkg + folder);
  write(kDpkg + "info/format", "1\n");
  write(kDpkg + "status", "");
  write(kDpkg + "diversions", "");
  write(kDpkg + "triggers/Unincorp", "");
  write(kDpkg + "arch", join(archs, "\n") + "\n");
}

void Database::add_control_files(const UnpackedPackage& package) const {
  const std::string prefix = kDpkg + "info/" + package.dpkg_name() + ".";
  for (const auto& [name, file] : package.control_files) write(prefix + name, file.content, file.mode);
  write(prefix + "list", join(package.paths, "\n") + "\n");
}

void Database::add_unpacked(const std::vector<UnpackedPackage>& packages) const {
  std::string status = read(kDpkg + "status");
  if (!status.empty() && !status.ends_with("\n\n")) status += "\n";
  for (const UnpackedPackage& package : packages) {
    add_control_files(package);
    status += status_stanza(package, status);
  }
  write(kDpkg + "status", status);
  // Those who are interested so far hear of the new packages;
  // the new packages' own interests count from now on.
  activate_triggers(packages);
  add_interests(packages);
}

void Database::add_interests(const std::vector<UnpackedPackage>& packages) const {
  std::string files = read(kDpkg + "triggers/File");
  for (const UnpackedPackage& package : packages) {
    for (const auto& [directive, trigger] : trigger_directives(package)) {
      if (!directive.starts_with("interest")) continue;
      const std::string who = package.dpkg_name() + (directive == "interest-noawait" ? "/noawait" : "");
      if (trigger.starts_with('/')) {
        files += trigger + " " + who + "\n";
      } else {
        const std::string path = kDpkg + "triggers/" + trigger;
        write(path, read(path) + who + "\n");
      }
    }
  }
  if (!files.empty()) write(kDpkg + "triggers/File", files);
}

void Database::activate_triggers(const std::vector<UnpackedPackage>& packages) const {
  std::vector<std::string> watched;
  for (const std::string& line : split(read(kDpkg + "triggers/File"), '\n'))
    if (const std::size_t end = line.find(' '); end != std::string::npos)
      watched.push_back(line.substr(0, end));
  std::set<std::string> activated;
  for (const UnpackedPackage& package : packages) {
    for (const auto& [directive, trigger] : trigger_directives(package))
      if (directive.starts_with("activate")) activated.insert(trigger);
    for (const std::string& trigger : watched)
      if (brings_below(package.paths, trigger)) activated.insert(trigger);
  }
  if (activated.empty()) return;
  std::string text = read(kDpkg + "triggers/Unincorp");
  for (const std::string& trigger : activated) text += trigger + " -\n";
  write(kDpkg + "triggers/Unincorp", text);
}

void Database::drop_paths(const std::map<std::string, std::vector<std::string>>& lost,
                          const std::set<std::string>& conffiles) const {
  for (const auto& entry : lost) {
    const std::vector<std::string>& paths = entry.second;
    const std::string file = kDpkg + "info/" + entry.first + ".list";
    std::vector<std::string> lines = split(read(file), '\n');
    std::erase_if(lines, [&](const std::string& line) {
      return std::find(paths.begin(), paths.end(), line) != paths.end();
    });
    write(file, join(lines, "\n"));
    std::vector<std::string> taken;
    for (const std::string& path : paths)
      if (conffiles.contains(path)) taken.push_back(path);
    if (!taken.empty()) mark_obsolete(entry.first, taken);
  }
}

void Database::mark_obsolete(const std::string& package, const std::vector<std::string>& paths) const {
  const std::string status = read(kDpkg + "status");
  std::string out;
  bool changed = false;
  bool meant = false;
  for (const std::string& line : split(status, '\n')) {
    const std::vector<std::string> words = split_words(line);
    if (line.starts_with("Package: ")) meant = line.substr(9) == package.substr(0, package.find(':'));
    const bool taken = meant && line.starts_with(" /") && words.size() == 2 &&
                       std::find(paths.begin(), paths.end(), words[0]) != paths.end();
    out += line + (taken ? kObsolete : "") + "\n";
    changed = changed || taken;
  }
  if (!changed) return;
  if (!status.ends_with('\n')) out.pop_back();
  write(kDpkg + "status", out);
}

void Database::add_automatic(const std::vector<InstallPackage>& packages) const {
  const std::string path = "var/lib/apt/extended_states";
  std::string text = read(path);
  std::set<std::pair<std::string, std::string>> automatic;
  for (const InstallPackage& package : packages)
    if (package.automatic) automatic.emplace(package.name, package.arch == "all" ? arch_ : package.arch);
  for (const auto& [name, arch] : automatic)
    text += "Package: " + name + "\nArchitecture: " + arch + "\nAuto-Installed: 1\n\n";
  if (!automatic.empty()) write(path, text);
}

}  // namespace alephc::debian
