// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/fd.hpp"
#include "sandbox/sandbox.hpp"

namespace alephc {

/// A name below a folder that alephc fills: relative, without "." and "..", so that joined to the folder it stays in it.
/// The only way to get one from a path that strangers wrote.
class StagedName {
 public:
  /// A project's path. Leading ".." parts, with which a path may leave its folder inside of the work tree, are dropped:
  /// "../shared/a" → "shared/a". Throws an Error of kind failed for a path that names nothing, is absolute or has "."
  /// or ".." elsewhere.
  [[nodiscard]] static StagedName of_project_path(const std::string& path);
  /// A single file name, as of a package. Throws an Error of kind integrity for anything else.
  [[nodiscard]] static StagedName of_file_name(const std::string& name);

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  explicit StagedName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A folder that is filled from outside for the commands of a sandbox to read. No link is followed inside of it, also
/// not one that was put there.
class StagingFolder {
 public:
  /// Makes the folder.
  explicit StagingFolder(const std::filesystem::path& folder);

  // Folders above a name are made. An Error of kind failed says that another path has the name already.

  /// An empty file to write to.
  [[nodiscard]] UniqueFd create(const StagedName& name, mode_t mode = 0644) const;
  void make_link(const StagedName& name, const std::string& target) const;
  void make_folder(const StagedName& name) const;  ///< one that is there already is fine

 private:
  [[nodiscard]] UniqueFd parent_of(const std::string& path) const;

  UniqueFd folder_;
};

/// Collects what the commands of one sandbox are given, in a folder of its scratch space.
class GivenFiles {
 public:
  explicit GivenFiles(const std::filesystem::path& scratch);

  void add_text(const std::string& target, std::string_view text, mode_t mode = 0644);
  [[nodiscard]] StagingFolder add_folder(const std::string& target);
  void give_to(SandboxOptions& options) const;

 private:
  [[nodiscard]] std::filesystem::path next(const std::string& target);

  std::filesystem::path folder_;
  std::vector<BindMount> mounts_;
};

}  // namespace alephc
