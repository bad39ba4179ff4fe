// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <vector>

#include "graph/run.hpp"
#include "pipeline/locking.hpp"

namespace alephc {

/// What 'plan', 'graph' and 'why' start from: the graph of the committed lock, and what the store has of it.
struct PlannedRuntime {
  LockedRuntime runtime{};
  BuildGraph graph{};
  std::vector<StepState> states{};
};
[[nodiscard]] PlannedRuntime plan_runtime(const std::filesystem::path& path, const Session& session);

}  // namespace alephc
