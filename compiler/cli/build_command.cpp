// SPDX-License-Identifier: MIT
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/command.hpp"

namespace alephc {
namespace {

nlohmann::ordered_json outcome_json(const BuildOutcome& outcome) {
  nlohmann::ordered_json json;
  const bool has_hash = !outcome.result.sha256.is_zero();
  json["image"] = outcome.image.string();
  json["format"] = outcome.format;
  json["size"] = outcome.result.size;
  json["sha256"] =
      has_hash ? nlohmann::ordered_json(outcome.result.sha256.hex()) : nlohmann::ordered_json(nullptr);
  json["cid_v0"] = has_hash ? nlohmann::ordered_json(outcome.result.cid_v0) : nlohmann::ordered_json(nullptr);
  json["cid_v1"] = has_hash ? nlohmann::ordered_json(outcome.result.cid_v1) : nlohmann::ordered_json(nullptr);
  json["tree"] = outcome.result.tree.hex();
  json["lock"] = outcome.lock.hex();
  json["epoch"] = outcome.epoch;
  json["seconds"] = outcome.seconds;
  json["steps"] = nlohmann::ordered_json::array();
  for (const StepReport& step : outcome.steps)
    json["steps"].push_back({{"id", step.id},
                             {"name", step.name},
                             {"key", step.key.hex()},
                             {"cached", step.cached},
                             {"seconds", step.seconds}});
  return json;
}

std::string outcome_text(const BuildOutcome& outcome) {
  std::string out = outcome.image.string() + "\n";
  if (!outcome.result.sha256.is_zero()) {
    out += "  size    " + human_size(outcome.result.size) + " (" + std::to_string(outcome.result.size) +
           " bytes)\n";
    out += "  sha256  " + outcome.result.sha256.hex() + "\n  cid v0  " + outcome.result.cid_v0 +
           "\n  cid v1  " + outcome.result.cid_v1 + "\n";
  }
  return out + "  tree    " + outcome.result.tree.hex() + "\n";
}

struct BuildArguments {
  std::vector<std::string> paths{"."};
  std::string output{};
  bool locked = false;
  bool no_normalize = false;
  bool record = false;
  std::string expect{};
  std::vector<std::string> overrides{};
};

bool in_ci() {
  const char* ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

int run_build(const BuildArguments& arguments, CommandContext& context) {
  if (arguments.paths.size() > 1 && !(arguments.output.empty() && arguments.expect.empty()))
    throw Error(ErrorKind::usage, "-o and --expect go with one PATH only");
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::string& path : arguments.paths) {
    const BuildOutcome outcome = build_runtime({.path = path,
                                                .output = arguments.output,
                                                .locked = arguments.locked || in_ci(),
                                                .expect = arguments.expect,
                                                .record = arguments.record,
                                                .normalize = !arguments.no_normalize,
                                                .overrides = arguments.overrides},
                                               context.settings, context.reporter);
    if (context.options.json)
      all.push_back(outcome_json(outcome));
    else
      print(outcome_text(outcome));
  }
  if (context.options.json)
    print((all.size() == 1 ? all.front() : nlohmann::ordered_json{{"builds", all}}).dump() + "\n");
  return 0;
}

}  // namespace

CommandAction add_build(CLI::App& app) {
  auto arguments = std::make_shared<BuildArguments>();
  app.add_option("PATH", arguments->paths, "Folders with a runtime.toml, or manifest files");
  app.add_option("-o,--output", arguments->output, "Where the image goes (default: NAME-VERSION.FORMAT here)")
      ->type_name("FILE");
  app.add_flag("--locked", arguments->locked,
               "Never write the lock; a stale one is an error (implied by CI=true)");
  app.add_option("--expect", arguments->expect, "Hash that the image must have")->type_name("HASH");
  app.add_flag("--record", arguments->record, "Write runtime.receipt.json beside the lock");
  app.add_option("--set", arguments->overrides, "Override a key of [image], e.g. image.format=tar")
      ->type_name("KEY=VALUE");
  app.add_flag("--no-normalize", arguments->no_normalize,
               "Leave the tree as the steps left it (for comparisons)");
  return [arguments](CommandContext& context) { return run_build(*arguments, context); };
}

}  // namespace alephc
