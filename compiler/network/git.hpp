// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/reporter.hpp"

namespace alephc {

/// What git says of a project's work tree.
struct WorkTree {
  std::filesystem::path top{};
  std::string revision{};  ///< of HEAD; empty before the first commit
  std::string remote{};    ///< address of "origin"; empty without one
  bool has_changes = false;  ///< in the project's folder: changed or new files
};

/// Nothing outside of a work tree, and without git. Whatever the project's own .git/config, hooks and attributes say,
/// none of it is run: git works with a configuration that alephc makes.
[[nodiscard]] std::optional<WorkTree> read_work_tree(const std::filesystem::path& folder, Reporter& reporter);

/// Checks a repository out at a revision. Only http and https addresses are followed, to machines of this machine's own
/// network only if local_too. Bounded in time and size (base/limits.hpp). Throws an Error of kind failed.
void clone_repository(const std::string& repository, const std::string& revision,
                      const std::filesystem::path& folder, bool local_too);

/// True for an address whose host is this machine or on a private, link-local or shared network: it means something else
/// on every machine. Throws an Error of kind failed for one that cannot be resolved.
[[nodiscard]] bool is_local_host(const std::string& url);

}  // namespace alephc
