// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "manifest/manifest.hpp"

namespace alephc {

/// Loads a runtime.toml (or the folder that has one) with all it extends. Throws an Error with every problem
/// found.
[[nodiscard]] Manifest load_manifest(const std::filesystem::path& path);

/// What a manifest from a lock takes from the file itself.
struct Declaration {
  std::filesystem::path file{};
  std::filesystem::path folder{};
  Digest declared{};
  std::string name{};
  std::string version{};
  std::string repository{};
  Expectation expect{};
};

/// The manifest that a lock holds. Spans point into the lock.
[[nodiscard]] Manifest manifest_from_lock(const Value& flat, const Declaration& declaration);

/// The runtime.toml meant by a command-line PATH. Throws a usage Error if there is none.
[[nodiscard]] std::filesystem::path find_manifest(const std::filesystem::path& path);

}  // namespace alephc
