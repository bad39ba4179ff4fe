// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "manifest/manifest.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// One file of a manifest, checked against the key table, its paths relative to the project folder.
struct Part {
  std::string name{};  ///< "runtime.toml", "../base.toml" or "stdlib:debian/python-asgi"
  bool is_stdlib = false;
  std::string text{};  ///< of a stdlib part
  Value value{};
};

struct Project {
  std::filesystem::path folder{};  ///< of the main file
  std::filesystem::path limit{};   ///< git work tree around it, else the folder: nothing outside is read
};

[[nodiscard]] Project project_of(const std::filesystem::path& manifest_file);

/// Reads the file and all that it extends, each once, in merge order. A recorded part stands in for the one of that name
/// that came with this alephc. Problems go to the list.
[[nodiscard]] std::vector<Part> read_parts(const std::filesystem::path& file, const Project& project,
                                           const std::vector<StdlibPart>& recorded, DiagnosticList& problems);

/// Where a project path of a part leads, relative to the project folder; reports paths that lead outside.
[[nodiscard]] std::string rebase_path(const std::string& path, const std::filesystem::path& part_folder,
                                      const Project& project, const SourceSpan& at, DiagnosticList& problems);

}  // namespace alephc
