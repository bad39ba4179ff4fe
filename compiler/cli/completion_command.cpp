// SPDX-License-Identifier: MIT
#include "base/text.hpp"
#include "cli/command_line.hpp"

namespace alephc {
namespace {

std::string bash_script(const CommandWords& program, const std::vector<CommandWords>& commands) {
  const std::string common = join(program.options, " ");
  std::string cases;
  std::vector<std::string> names;
  for (const CommandWords& command : commands) {
    cases += "    " + command.name + ") words=\"" + join(command.options, " ") + " " + common + "\" ;;\n";
    names.push_back(command.name);
  }
  return "_alephc() {\n  local words current=\"${COMP_WORDS[COMP_CWORD]}\"\n  case \"${COMP_WORDS[1]}\" "
         "in\n" +
         cases + "    *) words=\"" + join(names, " ") + " " + common +
         "\" ;;\n  esac\n  case \"$current\" in\n    -*) COMPREPLY=($(compgen -W \"$words\" -- "
         "\"$current\")) ;;\n"
         "    *) if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\"));\n"
         "       else COMPREPLY=($(compgen -f -- \"$current\")); fi ;;\n  esac\n}\ncomplete -o filenames -F "
         "_alephc alephc\n";
}

std::string zsh_script(const CommandWords& program, const std::vector<CommandWords>& commands) {
  return "#compdef alephc\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script(program, commands);
}

/// fish takes the names of options without their dashes.
std::string fish_options(const CommandWords& words, const std::string& condition) {
  std::string out;
  for (const std::string& option : words.options)
    out += "complete -c alephc " + condition + "-l " + option.substr(2) + "\n";
  return out;
}

std::string fish_script(const CommandWords& program, const std::vector<CommandWords>& commands) {
  std::string out;
  for (const CommandWords& command : commands)
    out += "complete -c alephc -n __fish_use_subcommand -a " + command.name + " -d '" + command.about +
           "'\n" + fish_options(command, "-n '__fish_seen_subcommand_from " + command.name + "' ");
  return out + fish_options(program, "");
}

}  // namespace

CommandAction add_completion(ArgumentParser& parser) {
  auto shell = std::make_shared<std::string>();
  parser.add_option("SHELL", *shell, "bash, zsh or fish").required().one_of({"bash", "zsh", "fish"});
  return [shell, parser](CommandContext& /*context*/) {
    const auto script = *shell == "fish" ? fish_script : *shell == "zsh" ? zsh_script : bash_script;
    print(script(parser.program(), parser.all_commands()));
    return 0;
  };
}

}  // namespace alephc
