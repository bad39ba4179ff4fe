// SPDX-License-Identifier: MIT

#include "base/json.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "manifest/keys.hpp"
#include "pipeline/locking.hpp"
#include "pipeline/vendor.hpp"

namespace alephc {
namespace {

struct LockArguments {
  std::vector<std::string> paths{"."};
  bool update = false;
  std::vector<std::string> packages{};
  std::string date{};
  bool check = false;
  bool outdated = false;
  std::string vendor{};
};

Json change_json(const LockOutcome& outcome) {
  Json json;
  json["lock"] = outcome.file.string();
  json["written"] = outcome.written;
  json["added"] = outcome.change.added;
  json["removed"] = outcome.change.removed;
  json["changed"] = outcome.change.changed;
  json["other"] = outcome.change.other;
  return json;
}

std::string summary(const LockOutcome& outcome, const LockArguments& arguments) {
  const std::string name = outcome.file.string();
  if (arguments.check) return name + " is up to date\n";
  if (arguments.outdated)
    return outcome.change.changed.empty() ? "nothing is outdated\n"
                                          : change_text(LockChange{.changed = outcome.change.changed});
  if (!outcome.written) return name + " is up to date\n";
  return "wrote " + name + "\n" + change_text(outcome.change);
}

int run_lock(const LockArguments& arguments, CommandContext& context) {
  if (!arguments.date.empty())
    if (const auto problem = format_problem(Format::snapshot_date, arguments.date))
      throw Error(ErrorKind::usage, "'" + arguments.date + "' " + *problem);
  if (!arguments.vendor.empty() && (arguments.paths.size() > 1 || arguments.check || arguments.outdated))
    throw Error(ErrorKind::usage, "--vendor goes with one PATH, and not with --check or --outdated");
  const Session session(context.settings, context.reporter);
  Json all = Json::array();
  for (const std::string& path : arguments.paths) {
    const LockOutcome outcome =
        lock_runtime({.path = path,
                      .update_all = arguments.update,
                      .update_packages = {arguments.packages.begin(), arguments.packages.end()},
                      .date = arguments.date,
                      .check = arguments.check,
                      .outdated = arguments.outdated},
                     session);
    if (context.options.json)
      all.push_back(change_json(outcome));
    else
      print(summary(outcome, arguments));
    if (!arguments.vendor.empty()) vendor_runtime(path, arguments.vendor, session);
  }
  if (context.options.json) print(json_text(all.size() == 1 ? all.front() : Json{{"locks", all}}) + "\n");
  return 0;
}

}  // namespace

CommandAction add_lock(ArgumentParser& parser) {
  auto arguments = std::make_shared<LockArguments>();
  parser.add_option("PATH", arguments->paths, "Folders with a runtime.toml, or manifest files");
  parser.add_flag("--update", arguments->update, "Move every package to the newest version");
  parser.add_option("--update-package", arguments->packages, "Let this package move; may be repeated")
      .value_name("PKG")
      .one_at_a_time();
  parser.add_option("--date", arguments->date, "As the snapshot archive was then")
      .value_name("YYYYMMDDTHHMMSSZ");
  parser.add_flag("--check", arguments->check, "Write nothing; exit 1 when the lock is stale");
  parser.add_flag("--outdated", arguments->outdated, "Write nothing; list what an update would move");
  parser.add_option("--vendor", arguments->vendor, "Also put everything that the lock names into one file")
      .value_name("FILE");
  return [arguments](CommandContext& context) { return run_lock(*arguments, context); };
}

}  // namespace alephc
