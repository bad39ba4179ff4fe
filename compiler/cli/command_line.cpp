// SPDX-License-Identifier: MIT
#include "cli/command_line.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

#include "base/diagnostic.hpp"
#include "base/render.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

CommandWords words_of(const CLI::App& app) {
  CommandWords words{.name = app.get_name(), .about = app.get_description(), .options = {}};
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) words.options.push_back("--" + name);
  return words;
}

void add_common_options(ArgumentParser parser, CommonOptions& options) {
  parser.add_flag("--json", options.json, "Print one JSON object on stdout and nothing else");
  parser.add_flag("--quiet,-q", options.quiet, "No progress");
  parser.add_flag("--verbose,-v", options.verbose, "More detail");
  parser.add_flag("--offline", options.offline, "Never use the network");
  parser.add_option("--color", options.color, "When to use colors").one_of({"auto", "always", "never"});
  parser.add_option("--config", options.config, "Configuration file").value_name("FILE");
  parser.add_option("--store", options.store, "Folder of the store (ALEPHC_STORE)").value_name("DIR");
  parser.add_option("--jobs,-j", options.jobs, "Threads (default: all cores)")
      .between(1, 1024)
      .value_name("N");
  parser.add_option("--mirror", options.mirrors, "A mirror to ask first; may be repeated (ALEPHC_MIRROR)")
      .value_name("URL");
}

/// CLI11 2.4 refuses a name with a blank, and older ones take it.
const std::string& checked_names(const std::string& names) {
  check(names.find(' ') == std::string::npos, "a name on the command line has no blank");
  return names;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words) {
  std::string hint = "alephc --help lists the commands";
  std::vector<std::string> names;
  for (const CommandSpec& spec : commands()) names.emplace_back(spec.name);
  if (!words.empty() && app.get_subcommands().empty())
    if (const auto near = closest_match(words.front(), names)) hint = "did you mean 'alephc " + *near + "'?";
  if (!app.get_subcommands().empty())
    hint = "alephc " + app.get_subcommands().front()->get_name() + " --help explains the options";
  std::fputs(render_text({.message = error.what(), .hint = hint}, false).c_str(), stderr);
  return static_cast<int>(ErrorKind::usage);
}

}  // namespace

Argument& Argument::value_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Argument& Argument::required() {
  option_->required();
  return *this;
}

Argument& Argument::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}

Argument& Argument::between(int least, int most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Argument& Argument::count(int least, int most) {
  option_->expected(least, most);
  return *this;
}

Argument& Argument::one_at_a_time() {
  option_->allow_extra_args(false);
  return *this;
}

Argument ArgumentParser::add_flag(const std::string& names, bool& value, const std::string& about) {
  return Argument(*app_->add_flag(checked_names(names), value, about));
}

Argument ArgumentParser::add_option(const std::string& names, std::string& value, const std::string& about) {
  return Argument(*app_->add_option(checked_names(names), value, about));
}

Argument ArgumentParser::add_option(const std::string& names, unsigned& value, const std::string& about) {
  return Argument(*app_->add_option(checked_names(names), value, about));
}

Argument ArgumentParser::add_option(const std::string& names, std::vector<std::string>& values,
                                    const std::string& about) {
  return Argument(*app_->add_option(checked_names(names), values, about));
}

CommandWords ArgumentParser::program() const {
  return words_of(*app_->get_parent());
}

std::vector<CommandWords> ArgumentParser::all_commands() const {
  std::vector<CommandWords> all;
  for (const CLI::App* command : app_->get_parent()->get_subcommands([](const CLI::App*) { return true; }))
    all.push_back(words_of(*command));
  return all;
}

CommandLine::CommandLine(CommonOptions& options)
    : app_(std::make_unique<CLI::App>(
          "Builds reproducible, content-addressed VM images for aleph.im from runtime.toml", "alephc")) {
  app_->fallthrough();
  app_->require_subcommand(1);
  app_->footer(
      "Exit codes: 0 done, 1 failed, 2 usage, 3 integrity, 4 this machine cannot, 70 a bug, 130 interrupted");
  add_common_options(ArgumentParser(*app_), options);
  for (const CommandSpec& spec : commands()) {
    CLI::App* command = app_->add_subcommand(spec.name, spec.about);
    command->footer(std::string("Examples:\n") + spec.examples);
    ArgumentParser parser(*command);
    commands_[command] = {spec.add(parser), spec.uses_store};
  }
}

CommandLine::~CommandLine() = default;

std::variant<ChosenCommand, int> CommandLine::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app_->exit(error);
    return usage_error(*app_, error, {argv + 1, argv + argc});
  }
  return commands_.at(app_->get_subcommands().front());
}

}  // namespace alephc
