// SPDX-License-Identifier: MIT
#include "manifest/load.hpp"

#include "base/text.hpp"
#include "manifest/check_manifest.hpp"
#include "manifest/file_urls.hpp"
#include "manifest/fill_manifest.hpp"
#include "manifest/merge.hpp"
#include "manifest/part.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

/// The user's own files in canonical form; of stdlib parts
/// only the names, so that a later stdlib changes nothing.
Digest declared_digest(const std::vector<Part>& parts) {
  std::string text = "alephc-declared 1\n";
  for (const Part& part : parts) {
    // The file's own name does not matter: it comes last.
    text += "# part " + (&part == &parts.back() ? std::string("-") : part.name) + "\n";
    if (part.is_stdlib) continue;
    text += canonical_text(part.value);
    const Value* runtime = part.value.find("runtime");
    const Value* extends = runtime == nullptr ? nullptr : runtime->find("extends");
    if (extends == nullptr) continue;
    for (const Value& item : extends->items) text += "# extends " + quote_toml(item.text) + "\n";
  }
  return sha256(text);
}

std::string string_at(const Value& value, std::string_view table, std::string_view key,
                      const std::string& fallback) {
  const Value* inner = value.find(table);
  const Value* found = inner == nullptr ? nullptr : inner->find(key);
  return found != nullptr && found->is(Value::Kind::string) ? found->text : fallback;
}

Expectation expectation_of(const Value& own) {
  Expectation expect;
  expect.sha256 = string_at(own, "expect", "sha256", "");
  expect.cid = string_at(own, "expect", "cid", "");
  expect.tree = string_at(own, "expect", "tree", "");
  expect.outside = string_at(own, "expect", "outside", "");
  expect.item_hash = string_at(own, "expect", "item_hash", "");
  expect.message = string_at(own, "expect", "message", "");
  const std::string size = string_at(own, "expect", "max_size", "");
  if (!size.empty()) expect.max_size = parse_size(size);
  return expect;
}

void require_name(const Value& own, DiagnosticList& problems) {
  const Value* runtime = own.find("runtime");
  if (runtime != nullptr && runtime->find("name") != nullptr) return;
  problems.error("'name' is missing in [runtime]", runtime != nullptr ? runtime->at : own.at);
}

void describe(Manifest& manifest, const Value& own) {
  manifest.name = string_at(own, "runtime", "name", "");
  manifest.version = string_at(own, "runtime", "version", "0.0.0");
  manifest.repository = string_at(own, "runtime", "repository", "");
  manifest.expect = expectation_of(own);
}

}  // namespace

fs::path find_manifest(const fs::path& path) {
  if (fs::is_directory(path)) {
    if (fs::exists(path / "runtime.toml")) return path / "runtime.toml";
    throw Error(ErrorKind::usage,
                "no runtime.toml in " + (path.empty() || path == "." ? "this folder" : path.string()),
                "'alephc init DIR' makes a project");
  }
  if (fs::exists(path)) return path;
  throw Error(ErrorKind::usage, "no such file or folder: " + path.string());
}

Manifest load_manifest(const fs::path& path, const std::vector<StdlibPart>& recorded) {
  Manifest manifest;
  manifest.file = find_manifest(path);
  const Project project = project_of(manifest.file);
  manifest.folder = project.folder;
  DiagnosticList problems;
  const std::vector<Part> parts = read_parts(manifest.file, project, recorded, problems);
  if (parts.empty()) problems.stop_if_errors();
  check(!parts.empty(), "a manifest has at least one part");
  const Value& own = parts.back().value;
  require_name(own, problems);
  const Value flat = merge_parts(parts, problems);
  problems.stop_if_errors();
  fill_manifest(manifest, flat);
  describe(manifest, own);
  check_manifest(manifest, flat, problems);
  check_file_urls(flat, project.limit, problems);
  problems.stop_if_errors();
  for (const Part& part : parts) {
    manifest.parts.push_back(part.name);
    if (part.is_stdlib) manifest.stdlib.push_back({part.name, part.text});
  }
  manifest.text = canonical_text(flat);
  manifest.value = flat;
  manifest.digest = sha256(manifest.text);
  manifest.declared = declared_digest(parts);
  manifest.warnings = problems.items();
  return manifest;
}

}  // namespace alephc
