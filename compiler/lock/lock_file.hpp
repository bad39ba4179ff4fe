// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "lock/lock.hpp"

namespace alephc {

/// X.toml → X.lock beside it.
[[nodiscard]] std::filesystem::path lock_path_of(const std::filesystem::path& manifest_file);

/// Canonical text: fixed order, one package a line, a digest of all that follows it at the top.
[[nodiscard]] std::string lock_text(const Lock& lock);

/// Throws an integrity Error when the digest line does not fit (edited or damaged), an Error of kind failed
/// when the lock is of a later version.
[[nodiscard]] Lock parse_lock(const std::string& name, std::string text);
[[nodiscard]] std::optional<Lock> read_lock(const std::filesystem::path& path);

/// "node_modules/NAME" and deeper, inside the target: what a LockedModule's path must be.
[[nodiscard]] bool is_module_path(const std::string& path);

}  // namespace alephc
