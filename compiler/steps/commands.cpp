// SPDX-License-Identifier: MIT
#include "steps/commands.hpp"

#include "sandbox/run_checked.hpp"
#include "steps/workplace.hpp"

namespace alephc {
namespace {

void run(const CommandsInput& input, const SandboxPlace& place) {
  std::vector<SandboxCommand> commands;
  for (const CommandInput& each : input.commands)
    commands.push_back({.argv = each.argv, .env = each.env, .input = each.input});
  run_checked(place.runner, sandbox_options(place), commands, input.doing.text);
}

}  // namespace

Step commands_step(StepName name, const std::string& doing, const std::vector<SandboxCommand>& commands) {
  CommandsInput input{.doing = {doing}};
  for (const SandboxCommand& command : commands) {
    check(command.user == "root", "commands of alephc's own run as root");
    input.commands.push_back({.argv = command.argv, .env = command.env, .input = command.input});
  }
  return make_step(std::move(name), "commands", 1, std::move(input), run);
}

}  // namespace alephc
