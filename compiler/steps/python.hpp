// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

struct WheelInput {
  static constexpr std::string_view kMembers = "name version file sha256";
  std::string name{};
  std::string version{};
  std::string file{};
  Digest sha256{};
};

/// The packages of [python], installed by the target's own pip without an index.
struct PythonInput {
  static constexpr std::string_view kMembers = "target optimize wheel";
  std::string target{};         ///< absolute
  std::vector<int> optimize{};  ///< levels to compile for
  std::vector<WheelInput> wheels{};
};

[[nodiscard]] Step python_step(StepName name, PythonInput input);

}  // namespace alephc
