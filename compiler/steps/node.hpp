// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

struct ModuleInput {
  static constexpr std::string_view kMembers = "path name version integrity bin sha256";
  std::string path{};  ///< "node_modules/a/node_modules/b"
  std::string name{};
  std::string version{};
  std::string integrity{};
  std::vector<std::string> bins{};  ///< "NAME=PATH"
  Digest sha256{};
};

/// The packages of [node].
struct NodeInput {
  static constexpr std::string_view kMembers = "target module";
  std::string target{};  ///< absolute
  std::vector<ModuleInput> modules{};
};

[[nodiscard]] Step node_step(StepName name, NodeInput input);

}  // namespace alephc
