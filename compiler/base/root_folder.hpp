// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/fd.hpp"

namespace alephc {

/// A folder that strangers fill, such as the root of an image: whatever its symlinks say, they lead inside of
/// it, as in a chroot. Paths are relative to it. For when nothing runs in there.
class RootFolder {
 public:
  explicit RootFolder(const std::filesystem::path& folder);

  [[nodiscard]] int fd() const { return root_.get(); }

  /// Anything of that name, be it a symlink to nowhere.
  [[nodiscard]] bool has(const std::string& path) const;
  [[nodiscard]] bool has_file(
      const std::string& path) const;  ///< a regular one, not through a symlink of that name
  [[nodiscard]] std::optional<std::string> read(
      const std::string& path) const;  ///< nullopt where the path is not a regular file; at most 1 GiB
  /// Names in a folder, sorted; empty where the path is not a folder.
  [[nodiscard]] std::vector<std::string> list(const std::string& path) const;
  /// By rename, so that a symlink of that name is replaced; folders are made.
  void write(const std::string& path, std::string_view data, mode_t mode = 0644) const;
  void make_folders(const std::string& path) const;
  /// With all below it; a symlink and not what it leads to. Missing is fine.
  void remove(const std::string& path) const;

 private:
  /// The folder that a path is in; empty if it is not there.
  [[nodiscard]] UniqueFd open_parent(const std::string& path) const;
  /// Of the path itself, not of what it leads to.
  [[nodiscard]] std::optional<mode_t> type_of(const std::string& path) const;

  UniqueFd root_;
};

}  // namespace alephc
