// SPDX-License-Identifier: MIT
#include "manifest/file_urls.hpp"

#include <optional>
#include <set>
#include <string>

#include "base/text.hpp"
#include "manifest/keys.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kScheme = "file://";

/// From the table of keys, so that a new one cannot be missed.
const std::set<std::string, std::less<>>& address_keys() {
  static const std::set<std::string, std::less<>> kKeys = [] {
    std::set<std::string, std::less<>> keys;
    for (const TableSpec& table : table_specs())
      for (const KeySpec& key : table.keys)
        if (key.format == Format::url) keys.emplace(key.name);
    return keys;
  }();
  return kKeys;
}

/// The path of an address, if it can be read in one way only: libcurl and the kernel take "..", queries and NUL
/// differently, so an address with any of them is none.
std::optional<std::string> path_of(std::string_view url) {
  std::string path = percent_decoded(url.substr(kScheme.size()));
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (!path.starts_with('/') || path.find_first_of("?#%\\") != std::string::npos || printable(path) != path ||
      url.find_first_of("?#") != std::string_view::npos)
    return std::nullopt;
  for (const std::string& part : split(path.substr(1), '/'))
    if (part.empty() || part == "." || part == "..") return std::nullopt;
  return path;
}

bool is_below(const fs::path& path, const fs::path& folder) {
  const fs::path relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

class Checker {
 public:
  Checker(const fs::path& limit, DiagnosticList& problems) : limit_(limit), problems_(problems) {}

  void visit(const Value& value, bool is_address) {
    if (value.is(Value::Kind::string) && is_address) check(value);
    for (const Value& item : value.items) visit(item, is_address);
    for (const auto& [name, member] : value.members) visit(member, address_keys().contains(name));
  }

 private:
  void check(const Value& value) {
    if (!value.text.starts_with(kScheme)) return;
    // Symlinks of what exists are followed: a link out of the project is as bad as a path.
    const auto path = path_of(value.text);
    if (path && is_below(fs::weakly_canonical(*path), limit_)) return;
    problems_.error("'" + value.text + "' is outside of the project", value.at,
                    "a manifest names files of its project only; mirrors of this machine go to --mirror or the "
                    "user's configuration");
  }

  const fs::path& limit_;
  DiagnosticList& problems_;
};

}  // namespace

void check_file_urls(const Value& manifest, const fs::path& limit, DiagnosticList& problems) {
  Checker(limit, problems).visit(manifest, false);
}

}  // namespace alephc
