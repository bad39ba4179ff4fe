// SPDX-License-Identifier: MIT

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "pipeline/planned.hpp"
#include "pipeline/shell.hpp"
#include "pipeline/why.hpp"

namespace alephc {

CommandAction add_plan(ArgumentParser& parser) {
  auto path = std::make_shared<std::string>(".");
  parser.add_option("PATH", *path, "Folder with a runtime.toml, or a manifest file");
  return [path](CommandContext& context) {
    const PlannedRuntime planned = plan_runtime(*path, Session(context.settings, context.reporter));
    print(context.options.json ? draw_json(planned.graph, planned.states)
                               : draw_text(planned.graph, planned.states));
    return 0;
  };
}

CommandAction add_graph(ArgumentParser& parser) {
  struct Arguments {
    std::string path = ".";
    std::string format = "text";
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("PATH", arguments->path, "Folder with a runtime.toml, or a manifest file");
  parser.add_option("--format", arguments->format, "Form of the output")
      .one_of({"text", "dot", "json", "svg"});
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

CommandAction add_why(ArgumentParser& parser) {
  auto words = std::make_shared<std::vector<std::string>>();
  parser.add_option("SUBJECT", *words, "A package or an absolute path; the project may stand before it")
      .required()
      .count(1, 2);
  return [words](CommandContext& context) {
    const std::string path = words->size() == 2 ? words->front() : ".";
    const std::vector<std::string> lines =
        explain(path, words->back(), Session(context.settings, context.reporter));
    if (context.options.json)
      print(json_text(Json{{"subject", words->back()}, {"why", lines}}) + "\n");
    else
      print(join(lines, "\n") + "\n");
    return 0;
  };
}

CommandAction add_shell(ArgumentParser& parser) {
  struct Arguments {
    std::string path = ".";
    std::string first{};
    std::string step{};
    std::vector<std::string> command{};
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("--path", arguments->path, "Folder with a runtime.toml, or a manifest file");
  parser
      .add_option("--at", arguments->step, "The tree as it was before this step (default: the finished tree)")
      .value_name("STEP");
  parser.add_option("PATH", arguments->first, "The same, without --path");
  parser.add_option("COMMAND", arguments->command, "Command instead of a shell, after --");
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
