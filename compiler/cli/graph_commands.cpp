// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/command.hpp"
#include "pipeline/planned.hpp"
#include "pipeline/shell.hpp"
#include "pipeline/why.hpp"

namespace alephc {

CommandAction add_plan(CLI::App& app) {
  auto path = std::make_shared<std::string>(".");
  app.add_option("PATH", *path, "Folder with a runtime.toml, or a manifest file");
  return [path](CommandContext& context) {
    const PlannedRuntime planned = plan_runtime(*path, Session(context.settings, context.reporter));
    print(context.options.json ? draw_json(planned.graph, planned.states)
                               : draw_text(planned.graph, planned.states));
    return 0;
  };
}

CommandAction add_graph(CLI::App& app) {
  struct Arguments {
    std::string path = ".";
    std::string format = "text";
  };
  auto arguments = std::make_shared<Arguments>();
  app.add_option("PATH", arguments->path, "Folder with a runtime.toml, or a manifest file");
  app.add_option("--format", arguments->format, "Form of the output")
      ->check(CLI::IsMember({"text", "dot", "json", "svg"}));
  return [arguments](CommandContext& context) {
    const PlannedRuntime planned = plan_runtime(arguments->path, Session(context.settings, context.reporter));
    const std::string format = context.options.json ? "json" : arguments->format;
    if (format == "dot")
      print(draw_dot(planned.graph, planned.states));
    else if (format == "json")
      print(draw_json(planned.graph, planned.states));
    else if (format == "svg")
      print(draw_svg(planned.graph, planned.states));
    else
      print(draw_text(planned.graph, planned.states));
    return 0;
  };
}

CommandAction add_why(CLI::App& app) {
  auto words = std::make_shared<std::vector<std::string>>();
  app.add_option("[PATH] PACKAGE|/FILE", *words, "A package or an absolute path, after an optional project")
      ->required()
      ->expected(1, 2);
  return [words](CommandContext& context) {
    const std::string path = words->size() == 2 ? words->front() : ".";
    const std::vector<std::string> lines =
        explain(path, words->back(), Session(context.settings, context.reporter));
    if (context.options.json)
      print(nlohmann::ordered_json{{"subject", words->back()}, {"why", lines}}.dump() + "\n");
    else
      print(join(lines, "\n") + "\n");
    return 0;
  };
}

CommandAction add_shell(CLI::App& app) {
  struct Arguments {
    std::string path = ".";
    std::string first{};
    std::string step{};
    std::vector<std::string> command{};
  };
  auto arguments = std::make_shared<Arguments>();
  app.add_option("--path", arguments->path, "Folder with a runtime.toml, or a manifest file");
  app.add_option("--at", arguments->step, "The tree as it was before this step (default: the finished tree)")
      ->type_name("STEP");
  app.add_option("PATH", arguments->first, "The same, without --path");
  app.add_option("COMMAND", arguments->command, "Command instead of a shell, after --");
  app.prefix_command(false);
  return [arguments](CommandContext& context) {
    // What holds a manifest, or is one, is a PATH; everything else is the command's first word.
    const std::filesystem::path first = arguments->first;
    if (std::filesystem::exists(first / "runtime.toml") || first.extension() == ".toml")
      arguments->path = first;
    else if (!first.empty())
      arguments->command.insert(arguments->command.begin(), first);
    return open_shell(arguments->path, arguments->step, arguments->command,
                      Session(context.settings, context.reporter));
  };
}

}  // namespace alephc
