// SPDX-License-Identifier: MIT
#include "manifest/part.hpp"

#include <algorithm>
#include <optional>

#include "base/files.hpp"
#include "base/text.hpp"
#include "manifest/keys.hpp"
#include "manifest/shape.hpp"
#include "manifest/stdlib.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxManifest = 16 * 1024 * 1024;
constexpr std::string_view kStdlib = "stdlib:";

bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [end, ignored] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

class PartReader {
 public:
  PartReader(const Project& project, const std::vector<StdlibPart>& recorded, DiagnosticList& problems)
      : project_(project), recorded_(recorded), problems_(problems) {}

  void read_file_part(const fs::path& file, const std::optional<SourceSpan>& asked_at) {
    const fs::path place = fs::weakly_canonical(file);
    const std::string id = place.string();
    const std::string name = place.lexically_relative(project_.folder).string();
    if (skip(id, name, asked_at)) return;
    std::optional<std::string> text;
    if (fs::is_regular_file(place)) text = read_file_if_exists(place);
    if (!text) {
      problems_.error("no such file: '" + name + "'", asked_at);
      return;
    }
    if (text->size() > kMaxManifest) throw Error(ErrorKind::failed, name + " is too large for a manifest");
    read({.name = name}, id, std::move(*text), place.parent_path());
  }

  void read_stdlib_part(const std::string& name, const SourceSpan& at) {
    const std::string key = name.substr(kStdlib.size());
    if (skip(name, name, at)) return;
    const auto text = text_of(name, key);
    if (!text) {
      const auto near = closest_match(key, stdlib_names());
      const std::string hint =
          near ? "did you mean 'stdlib:" + *near + "'?" : "there are: " + join(stdlib_names(), ", ");
      return problems_.error("unknown part '" + name + "'", at, hint);
    }
    read({.name = name, .is_stdlib = true, .text = *text}, name, *text, {});
  }

  std::vector<Part> take() { return std::move(parts_); }

 private:
  [[nodiscard]] std::optional<std::string> text_of(const std::string& name, const std::string& key) const {
    for (const StdlibPart& part : recorded_)
      if (part.name == name) return part.text;
    const auto text = stdlib_part(key);
    return text ? std::optional<std::string>(*text) : std::nullopt;
  }

  /// True when the part was read before; a part that is still being read closes a loop.
  bool skip(const std::string& id, const std::string& name, const std::optional<SourceSpan>& at) {
    const auto open = std::find(open_.begin(), open_.end(), id);
    if (open != open_.end()) {
      std::string chain;
      for (auto it = open - open_.begin(); it < static_cast<std::ptrdiff_t>(open_.size()); ++it)
        chain += open_names_[static_cast<std::size_t>(it)] + " → ";
      problems_.error("extends runs in a circle: " + chain + name, at);
      return true;
    }
    return !seen_.insert(id).second;
  }

  void read(Part part, const std::string& id, std::string text, const fs::path& folder) {
    const auto source = std::make_shared<const SourceText>(SourceText{part.name, std::move(text)});
    if (!is_utf8(source->text)) {
      return problems_.error("the file is not UTF-8 text", SourceSpan{.source = source});
    }
    try {
      part.value = parse_toml(source);
    } catch (const Error& error) {
      for (const Diagnostic& item : error.diagnostics()) problems_.error(item.message, item.at, item.hint);
      return;
    }
    check_shape(part.value, problems_);
    open_.push_back(id);
    open_names_.push_back(part.name);
    read_extended(part.value, part.is_stdlib, folder);
    open_.pop_back();
    open_names_.pop_back();
    rebase(part, folder);
    parts_.push_back(std::move(part));
  }

  void read_extended(const Value& value, bool is_stdlib, const fs::path& folder) {
    const Value* runtime = value.find("runtime");
    const Value* extends = runtime == nullptr ? nullptr : runtime->find("extends");
    if (extends == nullptr || !extends->is(Value::Kind::array)) return;
    for (const Value& item : extends->items) {
      if (!item.is(Value::Kind::string)) continue;
      if (item.text.starts_with(kStdlib)) {
        read_stdlib_part(item.text, item.at);
      } else if (is_stdlib) {
        problems_.error("a stdlib part can extend stdlib parts only", item.at);
      } else {
        const std::string path = rebase_path(item.text, folder, project_, item.at, problems_);
        if (!path.empty()) read_file_part(project_.folder / path, item.at);
      }
    }
  }

  void rebase(Part& part, const fs::path& folder) {
    for (auto& [table_name, member] : part.value.members) {
      const TableSpec* spec = find_table_spec(table_name);
      if (spec == nullptr) continue;
      if (member.is(Value::Kind::table)) rebase_table(member, *spec, part, folder);
      if (!member.is(Value::Kind::array)) continue;
      for (Value& item : member.items)
        if (item.is(Value::Kind::table)) rebase_table(item, *spec, part, folder);
    }
  }

  void rebase_table(Value& table, const TableSpec& spec, const Part& part, const fs::path& folder) {
    for (auto& [key, value] : table.members) {
      if (const TableSpec* inner = find_table_spec(std::string(spec.path) + "." + key))
        for (Value& item : value.items) rebase_table(item, *inner, part, folder);
      const KeySpec* known = find_key_spec(spec, key);
      const bool is_path = known != nullptr &&
                           (known->format == Format::project_path || known->type == KeyType::package_files);
      if (!is_path) continue;
      if (value.is(Value::Kind::string)) rebase_value(value, part, folder);
      for (Value& item : value.items)
        if (item.is(Value::Kind::string)) rebase_value(item, part, folder);
    }
  }

  void rebase_value(Value& value, const Part& part, const fs::path& folder) {
    if (part.is_stdlib) return problems_.error("a stdlib part has no files of its own", value.at);
    if (value.text.starts_with('!')) {
      const std::string removed = value.text.substr(1);
      if (removed.find("://") == std::string::npos) value.text = "!" + rebase_path(removed, folder, project_, value.at, problems_);
      return;
    }
    value.text = rebase_path(value.text, folder, project_, value.at, problems_);
  }

  const Project& project_;
  const std::vector<StdlibPart>& recorded_;
  DiagnosticList& problems_;
  std::vector<Part> parts_;
  std::set<std::string> seen_;
  std::vector<std::string> open_;
  std::vector<std::string> open_names_;
};

}  // namespace

Project project_of(const fs::path& manifest_file) {
  Project project;
  project.folder = fs::canonical(fs::absolute(manifest_file)).parent_path();
  project.limit = project.folder;
  for (fs::path at = project.folder;; at = at.parent_path()) {
    if (fs::exists(at / ".git")) {
      project.limit = at;
      break;
    }
    if (at == at.root_path()) break;
  }
  return project;
}

std::string rebase_path(const std::string& path, const fs::path& part_folder, const Project& project,
                        const SourceSpan& at, DiagnosticList& problems) {
  if (path.starts_with('/')) {
    problems.error("'" + path + "' is absolute; paths are relative to the file that declares them", at);
    return {};
  }
  const fs::path lexical = (part_folder / path).lexically_normal();
  // weakly_canonical follows symlinks of what exists: a link out of the project is as bad as '..'.
  const fs::path place = fs::weakly_canonical(lexical);
  if (!is_inside(place, project.limit)) {
    problems.error("'" + path + "' leads out of the project", at,
                   "paths stay inside the git work tree, or the manifest's folder where there is none");
    return {};
  }
  std::string relative = lexical.lexically_relative(project.folder).string();
  while (relative.ends_with('/')) relative.pop_back();
  return relative;
}

std::vector<Part> read_parts(const fs::path& file, const Project& project,
                             const std::vector<StdlibPart>& recorded, DiagnosticList& problems) {
  PartReader reader(project, recorded, problems);
  reader.read_file_part(file, std::nullopt);
  return reader.take();
}

}  // namespace alephc
