// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cli/command.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

// The parser is CLI11. Only command_line.cpp includes it: its header takes longer to compile than most commands, and what
// differs between its versions stays in one place.

namespace alephc {

/// A declared option or positional argument; the calls can be chained.
class Argument {
 public:
  explicit Argument(CLI::Option& option) : option_(&option) {}

  /// What stands for the value in the help, such as FILE.
  Argument& value_name(const std::string& name);
  Argument& required();
  Argument& one_of(const std::vector<std::string>& values);
  Argument& between(int least, int most);
  /// How many values a list takes.
  Argument& count(int least, int most);
  /// A list takes one value each time it is named, and leaves the words behind it alone.
  Argument& one_at_a_time();

 private:
  CLI::Option* option_;
};

/// What a command offers, as a shell completes it.
struct CommandWords {
  std::string name;
  std::string about;
  std::vector<std::string> options;  ///< the long ones, with their dashes
};

/// The arguments of one command, or of the program. Names are as in "--output,-o"; one without dashes is positional.
/// The values have to live until the command has run.
class ArgumentParser {
 public:
  explicit ArgumentParser(CLI::App& app) : app_(&app) {}

  Argument add_flag(const std::string& names, bool& value, const std::string& about);
  Argument add_option(const std::string& names, std::string& value, const std::string& about);
  Argument add_option(const std::string& names, unsigned& value, const std::string& about);
  Argument add_option(const std::string& names, std::vector<std::string>& values, const std::string& about);

  /// Of a command's parser: the program, and all its commands.
  [[nodiscard]] CommandWords program() const;
  [[nodiscard]] std::vector<CommandWords> all_commands() const;

 private:
  CLI::App* app_;
};

/// A command that the command line asks for.
struct ChosenCommand {
  CommandAction action;
  bool uses_store = true;
};

class CommandLine {
 public:
  /// Parsing writes to options.
  explicit CommandLine(CommonOptions& options);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// The exit code when there is nothing to run: help was asked for and printed, or a mistake was reported.
  [[nodiscard]] std::variant<ChosenCommand, int> parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
  std::map<const CLI::App*, ChosenCommand> commands_;
};

}  // namespace alephc
