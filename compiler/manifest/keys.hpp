// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace alephc {

/// The one list of what a runtime.toml may hold. The parser, the canonical text, schemas/runtime.schema.json
/// and the check of docs/manifest.md are all made from it.

enum class KeyType {
  string,
  integer,
  boolean,
  integers,           ///< array of integers; replaced over extends
  strings,            ///< array of strings; appends over extends
  string_or_strings,  ///< one string or an array of them
  text_table,         ///< table of strings
  package_files,      ///< array of paths and of {url, sha256}
};

/// What a string must look like beyond being one.
enum class Format {
  any,
  name,             ///< [a-z0-9][a-z0-9._-]*
  package_request,  ///< NAME, NAME=VER, NAME/SUITE, NAME:ARCH
  package_name,     ///< NAME
  absolute_path,    ///< /a/b, no "..", not "/"
  folder,           ///< /a/b or /
  duration,         ///< "5s", "500ms"
  project_path,     ///< relative, inside the project
  mode,             ///< octal
  size,             ///< 4096, "128K"
  sha256,           ///< 64 hex digits
  tree_digest,      ///< 64 hex digits, or "2:" and 64 hex digits
  snapshot_date,    ///< YYYYMMDDTHHMMSSZ
  owner,            ///< user:group
  url,              ///< http, https or file
  integrity,        ///< subresource integrity: sha512-BASE64
  npm_package,      ///< NAME@VERSION or @SCOPE/NAME@VERSION
  python_name,      ///< a distribution name of Python
  fingerprint,      ///< 40 hex digits, blanks allowed
  version,  ///< of a recipe or archive: part of file names
  suite,            ///< of an archive, or a component: parts of a path
  user_name,
  host_name,
  variable_name,
  label,
  glob,  ///< starts with / or !/
};

struct KeySpec {
  std::string_view name;
  KeyType type = KeyType::string;
  std::string_view fallback = "";  ///< default, as documentation shows it
  std::string_view about = "";
  Format format = Format::any;
  std::string_view choices = "";  ///< "debian|ubuntu"
  bool required = false;
  std::int64_t minimum = 0;  ///< integers
  std::int64_t maximum = 1000000000;
  std::string_view distros = "";    ///< the only values of base.distro that it may go with; "": all
  std::string_view otherwise = "";  ///< for the others: what to do instead
  bool describes = false;           ///< for people: no part of the lock or of a step's key, and not inherited
};

struct TableSpec {
  std::string_view path;           ///< "packages", "init.env"; "" for the top
  bool is_array = false;           ///< [[path]]
  std::string_view identity = "";  ///< arrays: the key by which entries merge
  std::string_view about = "";
  std::span<const KeySpec> keys{};
};

/// In the order of the canonical text; a table stands before those inside it.
[[nodiscard]] std::span<const TableSpec> table_specs();
[[nodiscard]] const TableSpec* find_table_spec(std::string_view path);
[[nodiscard]] const KeySpec* find_key_spec(const TableSpec& table, std::string_view key);

/// nullopt if text has the format, else what is wrong with it ("is not an octal mode such as \"0644\"").
[[nodiscard]] std::optional<std::string> format_problem(Format format, const std::string& text);
/// A JSON Schema pattern for the format, empty if there is none.
[[nodiscard]] std::string_view format_pattern(Format format);

[[nodiscard]] std::vector<std::string> choices_of(const KeySpec& key);
[[nodiscard]] bool is_for_distro(const KeySpec& key, std::string_view distro);

}  // namespace alephc
