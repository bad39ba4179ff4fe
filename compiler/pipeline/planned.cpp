// SPDX-License-Identifier: MIT
#include "pipeline/planned.hpp"

namespace alephc {

PlannedRuntime plan_runtime(const std::filesystem::path& path, const Session& session) {
  PlannedRuntime planned{.runtime = open_committed(path, session)};
  const LockedRuntime& runtime = planned.runtime;
  planned.graph = plan({runtime.manifest, runtime.lock, runtime.lock_text, epoch_of(runtime.lock)});
  planned.states =
      inspect_steps(planned.graph, session.store(), std::filesystem::canonical(runtime.manifest.file));
  return planned;
}

}  // namespace alephc
