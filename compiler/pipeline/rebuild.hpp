// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "evidence/receipt.hpp"
#include "pipeline/build.hpp"
#include "pipeline/locking.hpp"

namespace alephc {

/// Brings everything that the lock names into the store.
void fetch_locked(const LockedRuntime& runtime, const Session& session);

/// A build from nothing but what the lock names: no result of an earlier build is used, and nothing is
/// fetched once it began. The image is put into folder; its blob stays in the store.
struct Rebuilt {
  BuildOutcome outcome{};
  Receipt receipt{};
  std::map<std::string, std::string> steps{};  ///< path → the step that wrote it
};
[[nodiscard]] Rebuilt rebuild_runtime(const LockedRuntime& runtime, const std::filesystem::path& folder,
                                      const Session& session);

}  // namespace alephc
