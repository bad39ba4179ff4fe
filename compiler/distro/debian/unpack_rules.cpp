// SPDX-License-Identifier: MIT
#include "distro/debian/unpack_rules.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/diagnostic.hpp"
#include "base/root_folder.hpp"
#include "base/text.hpp"

namespace alephc::debian {
namespace {

const std::string kDiversions = "var/lib/dpkg/diversions";
const std::string kOverrides = "var/lib/dpkg/statoverride";
const std::string kConfiguration = "etc/dpkg/dpkg.cfg";
const std::string kConfigurations = "etc/dpkg/dpkg.cfg.d";

/// Files of the upper folder, else of the tree below.
class Files {
 public:
  Files(const Tree& below, const std::filesystem::path& upper) : below_(below), upper_(upper) {}

  [[nodiscard]] std::string read(const std::string& path) const {
    if (auto own = upper_.read(path)) return std::move(*own);
    const Entry* old = upper_.has(path) ? nullptr : below_.find(path);
    return old != nullptr && old->type == EntryType::regular ? below_.read_content(*old) : std::string();
  }

  /// Of a file that dpkg keeps itself.
  [[nodiscard]] std::string read_database(const std::string& path) const {
    if (upper_.has(path) && !upper_.has_file(path))
      throw Error(ErrorKind::failed, "/" + path + " is not a regular file",
                  "a package's script replaced it: dpkg would wait for it, or read it without end");
    return read(path);
  }

  [[nodiscard]] std::set<std::string> list(const std::string& folder) const {
    const std::vector<std::string> own = upper_.list(folder);
    std::set<std::string> names(own.begin(), own.end());
    for (const Entry& entry : below_.entries())
      if (parent_path(entry.path) == folder) names.insert(base_name(entry.path));
    return names;
  }

 private:
  const Tree& below_;
  RootFolder upper_;
};

[[noreturn]] void damaged(const std::string& path, std::size_t line) {
  throw Error(ErrorKind::failed, "/" + path + " is damaged at line " + std::to_string(line),
              "a package's script wrote it; dpkg could not read it either");
}

std::optional<std::uint32_t> parse_number(std::string_view text, int base) {
  std::uint32_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// As dpkg takes it: letters, digits, '_' and '-'. Backups of editors and package managers are left alone.
bool is_configuration(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

UnpackRules::UnpackRules(const Tree& below, const std::filesystem::path& upper) {
  read_again(below, upper);
  const Files files(below, upper);
  read_overrides(files.read_database(kOverrides));
  for (const std::string& name : files.list(kConfigurations))
    if (is_configuration(name)) read_filters(files.read(kConfigurations + "/" + name));
  read_filters(files.read(kConfiguration));
}

void UnpackRules::read_again(const Tree& below, const std::filesystem::path& upper) {
  const Files files(below, upper);
  users_ = account_ids(files.read("etc/passwd"));
  groups_ = account_ids(files.read("etc/group"));
  read_diversions(files.read_database(kDiversions));
}

/// Triples of lines: path, where it is diverted to, package.
void UnpackRules::read_diversions(std::string_view text) {
  diversions_.clear();
  const std::vector<std::string> lines = split(text, '\n');
  for (std::size_t i = 0; i + 2 < lines.size(); i += 3) {
    if (!lines[i].starts_with('/') || !lines[i + 1].starts_with('/') || lines[i + 2].empty())
      damaged(kDiversions, i + 1);
    const std::string path = lines[i].substr(1);
    diversions_[path] = {.path = path, .to = lines[i + 1].substr(1), .package = lines[i + 2]};
  }
}

/// "USER GROUP MODE PATH", ids as names or as "#0".
void UnpackRules::read_overrides(std::string_view text) {
  const auto id_of = [](const AccountIds& ids, std::string_view name) -> std::optional<std::uint32_t> {
    if (name.starts_with('#')) return parse_number(name.substr(1), 10);
    const auto it = ids.find(std::string(name));
    return it == ids.end() ? std::nullopt : std::optional(it->second);
  };
  const std::vector<std::string> lines = split(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const std::vector<std::string> words = split(lines[i], ' ');
    if (words.size() < 4) damaged(kOverrides, i + 1);
    const std::size_t path_at = words[0].size() + words[1].size() + words[2].size() + 3;
    const std::string path = lines[i].substr(path_at);
    const auto uid = id_of(users_, words[0]);
    const auto gid = id_of(groups_, words[1]);
    const auto mode = parse_number(words[2], 8);
    if (!path.starts_with('/') || !mode) damaged(kOverrides, i + 1);
    if (!uid || !gid)
      throw Error(ErrorKind::failed,
                  "/" + kOverrides + " gives /" + path.substr(1) + " to '" + words[uid ? 1 : 0] +
                      "', which is not an account of the system",
                  "dpkg refuses it, too: the account has to be made before");
    overrides_[path.substr(1)] = {.uid = *uid, .gid = *gid, .mode = *mode & 07777U};
  }
}

/// Lines of dpkg.cfg: an option, with its value behind '=' or blanks; the others do not concern a file's place.
void UnpackRules::read_filters(std::string_view text) {
  for (const std::string& line : split(text, '\n')) {
    const std::string_view option = trim(line);
    const std::size_t end = option.find_first_of("= \t");
    if (end == std::string_view::npos) continue;
    const bool includes = option.substr(0, end) == "path-include";
    if (!includes && option.substr(0, end) != "path-exclude") continue;
    std::string_view pattern = option.substr(std::min(option.find_first_not_of("= \t", end), option.size()));
    const bool quoted =
        pattern.size() > 1 && pattern.front() == pattern.back() && (pattern[0] == '"' || pattern[0] == '\'');
    if (quoted) pattern = pattern.substr(1, pattern.size() - 2);
    if (pattern.empty()) continue;  // matches nothing
    filters_.push_back({.glob = Glob(std::string(pattern)), .includes = includes});
  }
}

std::string UnpackRules::diverted(const std::string& path, const std::string& package) const {
  const auto it = diversions_.find(path);
  return it == diversions_.end() || it->second.package == package ? path : it->second.to;
}

std::optional<UnpackRules::Attributes> UnpackRules::overridden(const std::string& path) const {
  const auto it = overrides_.find(path);
  return it == overrides_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<UnpackRules::Diversion> UnpackRules::new_diversions(const UnpackRules& before) const {
  std::vector<Diversion> found;
  for (const auto& [path, diversion] : diversions_)
    if (const auto it = before.diversions_.find(path);
        it == before.diversions_.end() || it->second != diversion)
      found.push_back(diversion);
  return found;
}

/// The last filter that matches decides. A folder, or a symlink that may lead to one, stays where an include may bring back
/// what is below it.
bool UnpackRules::filtered(const std::string& path, EntryType type) const {
  if (filters_.empty()) return false;
  const std::string name = "/" + path;
  bool skip = false;
  for (const Filter& filter : filters_)
    if (filter.includes == skip && filter.glob.matches(name)) skip = !filter.includes;
  if (!skip || (type != EntryType::directory && type != EntryType::symlink)) return skip;
  return std::none_of(filters_.begin(), filters_.end(), [&](const Filter& filter) {
    const std::string& pattern = filter.glob.pattern();
    std::size_t fixed = std::min(pattern.find_first_of("*?[\\"), pattern.size());
    while (fixed > 0 && pattern[fixed - 1] == '/') --fixed;
    return filter.includes && name.compare(0, fixed, pattern, 0, fixed) == 0;
  });
}

std::uint32_t UnpackRules::uid_of(const std::string& user, std::uint32_t number) const {
  return id_or_number(users_, user, number);
}

std::uint32_t UnpackRules::gid_of(const std::string& group, std::uint32_t number) const {
  return id_or_number(groups_, group, number);
}

}  // namespace alephc::debian
