// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

/// Compiles the ASGI worker with the image's own Python. Right behind the packages, which alone decide the result: a
/// changed file of the project runs no Python.
struct WorkerInput {
  static constexpr std::string_view kMembers = "source optimize";
  Digest source{};
  int optimize = 0;
};

[[nodiscard]] Step worker_step(StepName name, WorkerInput input);

}  // namespace alephc
