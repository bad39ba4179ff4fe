// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/digest.hpp"

namespace alephc {

class Store;

/// What the last build of one manifest used: a root of the garbage collection, and the memory of `plan`.
struct BuildRecord {
  std::filesystem::path manifest{};
  std::map<std::string, Digest> step_keys{};  ///< step id → key of the last build
  std::set<Digest> layers{};
  std::set<Digest> blobs{};
};

void put_build_record(const Store& store, const BuildRecord& record);
[[nodiscard]] std::optional<BuildRecord> find_build_record(const Store& store,
                                                           const std::filesystem::path& manifest);

struct CollectOptions {
  std::optional<std::uint64_t> max_size{};            ///< bytes; the oldest records go until the store fits
  std::optional<std::uint64_t> older_than_seconds{};  ///< keep what was written later than this, used or not
};

struct CollectResult {
  std::uint64_t removed_bytes = 0;
  std::uint64_t removed_entries = 0;
  std::uint64_t kept_bytes = 0;
};

/// Removes what no build record whose manifest still exists
/// refers to. Needs the store alone: throws when a build runs.
CollectResult collect_garbage(const std::filesystem::path& store_folder, const CollectOptions& options);

}  // namespace alephc
