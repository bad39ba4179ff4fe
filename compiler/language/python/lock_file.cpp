// SPDX-License-Identifier: MIT
#include "language/python/lock_file.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "manifest/value.hpp"

namespace alephc {
namespace {

[[noreturn]] void refuse(const Value& value, const std::string& why, const std::string& hint = {}) {
  throw Error(ErrorKind::failed, std::vector{Diagnostic{.message = why, .at = value.at, .hint = hint}});
}

std::string string_at(const Value& table, std::string_view key) {
  const Value* value = table.find(key);
  return value != nullptr && value->is(Value::Kind::string) ? value->text : std::string();
}

const std::vector<Value>& items_at(const Value& table, std::string_view key) {
  static const std::vector<Value> kNone;
  const Value* value = table.find(key);
  return value != nullptr && value->is(Value::Kind::array) ? value->items : kNone;
}

std::string pinned(const Value& package) {
  const std::string name = string_at(package, "name");
  const std::string version = string_at(package, "version");
  if (name.empty() || version.empty())
    refuse(package, "a package of the lock has no name or no version",
           "only packages of an index can be locked, not files or repositories");
  return name + "==" + version;
}

class UvLock {
 public:
  explicit UvLock(const Value& root) : root_(root) {}

  PythonLockFile read() {
    out_.is_given = true;
    for (const Value& package : items_at(root_, "package"))
      if (const Value* source = package.find("source"); source != nullptr && !is_index(*source))
        projects_.emplace(normalized_python_name(string_at(package, "name")), &package);
    for (const Value& package : items_at(root_, "package")) {
      const Value* source = package.find("source");
      if (source == nullptr) refuse(package, "'" + string_at(package, "name") + "' has no source", kHint);
      if (is_index(*source)) {
        add_package(package);
      } else if (is_project(*source)) {
        has_project_ = true;
        add_dependencies(package);
      } else {
        refuse(package, "'" + string_at(package, "name") + "' comes " + origin_of(*source), kHint);
      }
    }
    if (!has_project_) {
      out_.requirements = out_.constraints;
      out_.is_complete = true;
    }
    return std::move(out_);
  }

 private:
  static constexpr const char* kHint =
      "only packages of an index can be locked: put others in with [[file]] or [[archive]]";

  static bool is_index(const Value& source) { return source.find("registry") != nullptr; }

  /// The folder of the lock file itself. Other members of a workspace are folders too, and packages that no index has.
  static bool is_project(const Value& source) {
    return string_at(source, "virtual") == "." || string_at(source, "editable") == ".";
  }

  static std::string origin_of(const Value& source) {
    for (const auto& [key, what] :
         {std::pair{"virtual", "from a folder of the project"},
          std::pair{"editable", "from a folder of the project"}, std::pair{"directory", "from a folder"},
          std::pair{"path", "from a file"}, std::pair{"git", "from a repository"},
          std::pair{"url", "from an address"}})
      if (const std::string place = string_at(source, key); !place.empty())
        return std::string(what) + ", '" + place + "'";
    return "from no package index";
  }

  /// What the project asks for. Each name is that of a package in
  /// this file: an index could have a stranger's of the same name.
  void add_dependencies(const Value& package) {
    for (const Value& dependency : items_at(package, "dependencies")) {
      const std::string name = string_at(dependency, "name");
      if (const auto project = projects_.find(normalized_python_name(name)); project != projects_.end())
        refuse(dependency, "'" + name + "' comes " + origin_of(*project->second->find("source")), kHint);
      if (!is_listed(name)) refuse(dependency, "the lock file asks for '" + name + "' and does not list it");
      std::string line = name;
      std::vector<std::string> extras;
      for (const Value& extra : items_at(dependency, "extra")) extras.push_back(extra.text);
      if (!extras.empty()) line += "[" + join(extras, ",") + "]";
      if (const std::string version = string_at(dependency, "version"); !version.empty())
        line += "==" + version;
      if (const std::string marker = string_at(dependency, "marker"); !marker.empty()) line += " ; " + marker;
      out_.requirements.push_back(line);
    }
  }

  [[nodiscard]] bool is_listed(const std::string& name) {
    if (names_.empty())
      for (const Value& package : items_at(root_, "package"))
        names_.insert(normalized_python_name(string_at(package, "name")));
    return names_.contains(normalized_python_name(name));
  }

  void add_package(const Value& package) {
    std::string line = pinned(package);
    std::vector<std::string> markers;
    for (const Value& marker : items_at(package, "resolution-markers"))
      markers.push_back("(" + marker.text + ")");
    if (!markers.empty()) line += " ; " + join(markers, " or ");
    out_.constraints.push_back(line);
    std::set<Digest>& hashes =
        out_.hashes[normalized_python_name(string_at(package, "name")) + " " + string_at(package, "version")];
    const auto add = [&](const Value& file) {
      const std::string hash = string_at(file, "hash");
      if (const auto digest = Digest::from_hex(hash.substr(std::min<std::size_t>(hash.size(), 7))))
        hashes.insert(*digest);
    };
    for (const Value& wheel : items_at(package, "wheels")) add(wheel);
    if (const Value* source = package.find("sdist")) add(*source);
  }

  const Value& root_;
  std::set<std::string> names_;                   ///< of all packages, normalized
  std::map<std::string, const Value*> projects_;  ///< packages that come from elsewhere than an index
  PythonLockFile out_;
  bool has_project_ = false;
};

/// Packages of extras and groups stand in the lock too, without being asked for.
bool is_optional(const std::string& marker) {
  return marker.find("extras") != std::string::npos || marker.find("dependency_groups") != std::string::npos;
}

PythonLockFile read_pylock(const Value& root) {
  PythonLockFile out{.is_given = true, .is_complete = true};
  for (const Value& package : items_at(root, "packages")) {
    const std::string marker = string_at(package, "marker");
    if (is_optional(marker)) continue;
    for (const char* origin : {"vcs", "directory", "archive"})
      if (package.find(origin) != nullptr)
        refuse(package, "'" + string_at(package, "name") + "' comes from no package index",
               "only packages of an index can be locked");
    out.requirements.push_back(pinned(package) + (marker.empty() ? "" : " ; " + marker));
    std::set<Digest>& hashes =
        out.hashes[normalized_python_name(string_at(package, "name")) + " " + string_at(package, "version")];
    const auto add = [&](const Value& file) {
      const Value* table = file.find("hashes");
      if (table == nullptr) return;
      if (const auto digest = Digest::from_hex(string_at(*table, "sha256"))) hashes.insert(*digest);
    };
    for (const Value& wheel : items_at(package, "wheels")) add(wheel);
    if (const Value* source = package.find("sdist")) add(*source);
  }
  return out;
}

}  // namespace

PythonLockFile read_python_lock(const std::string& name, std::string text) {
  const Value root = parse_toml(std::make_shared<const SourceText>(SourceText{name, std::move(text)}));
  if (root.find("lock-version") != nullptr) return read_pylock(root);
  // Others have [[package]] as well, with other meanings: each is refused as what it is.
  const Value* metadata = root.find("metadata");
  const bool is_poetry = metadata != nullptr &&
                         (metadata->find("content-hash") != nullptr || metadata->find("files") != nullptr ||
                          metadata->find("lock-version") != nullptr);
  const bool is_pdm = metadata != nullptr && (metadata->find("lock_version") != nullptr ||
                                              metadata->find("content_hash") != nullptr);
  if (is_pdm)
    refuse(root, name + " is a pdm.lock, which alephc does not read",
           "write one that it reads: pdm export --format pylock --output pylock.toml");
  if (is_poetry)
    refuse(
        root, name + " is a poetry.lock, which alephc does not read",
        "write requirements with hashes and name them in python.requirements_files: poetry export --output "
        "requirements.txt");
  const bool is_uv = root.find("version") != nullptr && root.find("requires-python") != nullptr;
  if (is_uv) return UvLock(root).read();
  refuse(root, name + " is neither a pylock.toml nor a uv.lock");
}

std::vector<std::string> contradictions(const std::vector<LockedWheel>& wheels,
                                        const PythonLockFile& lock_file) {
  std::vector<std::string> found;
  if (!lock_file.is_given) return found;
  for (const LockedWheel& wheel : wheels) {
    const auto known = lock_file.hashes.find(wheel.name + " " + wheel.version);
    if (known == lock_file.hashes.end())
      found.push_back(wheel.name + " " + wheel.version + " is not in the lock file");
    else if (!known->second.contains(wheel.sha256))
      found.push_back(wheel.file + " has a hash that the lock file does not know: " + wheel.sha256.hex());
  }
  return found;
}

std::string normalized_python_name(std::string_view name) {
  std::string out;
  for (const char c : to_lower(name)) {
    const bool separator = c == '-' || c == '_' || c == '.';
    if (separator && out.ends_with('-')) continue;
    out += separator ? '-' : c;
  }
  return out;
}

}  // namespace alephc
