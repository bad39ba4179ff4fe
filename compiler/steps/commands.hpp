// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

struct CommandInput {
  static constexpr std::string_view kMembers = "argv env input";
  std::vector<std::string> argv{};
  std::map<std::string, std::string> env{};
  std::string input{};
};

/// Programs of the image that alephc runs for a purpose of its own: locales, the loader of a disk, purging packages.
struct CommandsInput {
  static constexpr std::string_view kMembers = "doing command";
  Label doing{};  ///< "generating locales"
  std::vector<CommandInput> commands{};
};

[[nodiscard]] Step commands_step(StepName name, const std::string& doing, const std::vector<SandboxCommand>& commands);

}  // namespace alephc
