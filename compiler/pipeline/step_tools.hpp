// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "graph/run.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "pipeline/session.hpp"

namespace alephc {

/// Where everything that a lock names is fetched from.
[[nodiscard]] std::vector<RemoteFile> remote_files(const Manifest& manifest, const Lock& lock,
                                                   const Session& session);

/// Puts the init and its helpers into the store, where the lock names this alephc's. Those of another alephc are where
/// its build or --init left them.
void provide_guest_files(const Lock& lock, const Store& store);

/// What the steps of a lock run with. The guest files are in the store when it is there, but for an init that has to be built
/// from source: that takes a compiler's packages, and happens when a step asks for it. The session outlives it.
class StepTools {
 public:
  StepTools(const Manifest& manifest, const Lock& lock, const Session& session);
  StepTools(const StepTools&) = delete;
  StepTools& operator=(const StepTools&) = delete;

 private:
  std::vector<RemoteFile> files_;
  PackageSupply supply_;

 public:
  RunTools run;  ///< may be added to before the run
};

}  // namespace alephc
