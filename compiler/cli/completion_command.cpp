// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>

#include "base/text.hpp"
#include "cli/command.hpp"

namespace alephc {
namespace {

/// Long options of the program and of one command, for word lists.
std::string long_options(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  return join(words, " ");
}

std::string command_names(const CLI::App& root) {
  std::vector<std::string> words;
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; }))
    words.push_back(command->get_name());
  return join(words, " ");
}

std::string bash_script(const CLI::App& root) {
  std::string cases;
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; }))
    cases += "    " + command->get_name() + ") words=\"" + long_options(*command) + " " + long_options(root) +
             "\" ;;\n";
  return "_alephc() {\n  local words current=\"${COMP_WORDS[COMP_CWORD]}\"\n  case \"${COMP_WORDS[1]}\" "
         "in\n" +
         cases + "    *) words=\"" + command_names(root) + " " + long_options(root) +
         "\" ;;\n  esac\n  case \"$current\" in\n    -*) COMPREPLY=($(compgen -W \"$words\" -- "
         "\"$current\")) ;;\n"
         "    *) if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\"));\n"
         "       else COMPREPLY=($(compgen -f -- \"$current\")); fi ;;\n  esac\n}\ncomplete -o filenames -F "
         "_alephc alephc\n";
}

std::string zsh_script(const CLI::App& root) {
  return "#compdef alephc\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script(root);
}

std::string fish_script(const CLI::App& root) {
  std::string out;
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; })) {
    out += "complete -c alephc -n __fish_use_subcommand -a " + command->get_name() + " -d '" +
           command->get_description() + "'\n";
    for (const CLI::Option* option : command->get_options())
      for (const std::string& name : option->get_lnames())
        out += "complete -c alephc -n '__fish_seen_subcommand_from " + command->get_name() + "' -l " + name +
               "\n";
  }
  for (const CLI::Option* option : root.get_options())
    for (const std::string& name : option->get_lnames()) out += "complete -c alephc -l " + name + "\n";
  return out;
}

}  // namespace

CommandAction add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return [shell, &app](CommandContext& /*context*/) {
    const CLI::App& root = *app.get_parent();
    if (*shell == "fish")
      print(fish_script(root));
    else
      print(*shell == "zsh" ? zsh_script(root) : bash_script(root));
    return 0;
  };
}

}  // namespace alephc
