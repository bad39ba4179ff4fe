// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

/// An entry of [[run]].
struct ScriptInput {
  static constexpr std::string_view kMembers = "name script source user network env input";
  Label name{};
  std::string script{};            ///< the text, or
  std::optional<Digest> source{};  ///< of a file of the project
  std::string user{};
  bool network = false;
  std::map<std::string, std::string> env{};
  std::vector<InputFile> inputs{};  ///< by their project paths
};

[[nodiscard]] Step script_step(StepName name, ScriptInput input);

}  // namespace alephc
