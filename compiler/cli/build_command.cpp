// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstdlib>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "cli/network_options.hpp"
#include "pipeline/build.hpp"
#include "verify/published.hpp"

namespace alephc {
namespace {

Json outcome_json(const BuildOutcome& outcome) {
  Json json;
  const bool has_hash = !outcome.result.sha256.is_zero();
  json["image"] = outcome.image.string();
  json["format"] = outcome.format;
  json["size"] = outcome.result.size;
  json["sha256"] = has_hash ? Json(outcome.result.sha256.hex()) : Json(nullptr);
  json["cid_v0"] = has_hash ? Json(outcome.result.cid_v0) : Json(nullptr);
  json["cid_v1"] = has_hash ? Json(outcome.result.cid_v1) : Json(nullptr);
  json["tree"] = outcome.result.tree.text();
  if (!outcome.result.tree.outside.is_zero()) json["outside"] = outcome.result.tree.outside.hex();
  json["lock"] = outcome.lock.hex();
  json["epoch"] = outcome.epoch;
  json["seconds"] = outcome.seconds;
  if (!outcome.result.verity_root.is_zero()) json["verity_root"] = outcome.result.verity_root.hex();
  json["steps"] = Json::array();
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
  if (!outcome.result.verity_root.is_zero()) out += "  verity  " + outcome.result.verity_root.hex() + "\n";
  out += "  tree    " + outcome.result.tree.text() + "\n";
  if (!outcome.result.tree.outside.is_zero()) out += "  outside " + outcome.result.tree.outside.hex() + "\n";
  return out;
}

struct BuildArguments {
  std::vector<std::string> paths{"."};
  std::string output{};
  bool locked = false;
  bool no_normalize = false;
  bool record = false;
  std::string expect{};
  std::vector<std::string> overrides{};
  bool audit = false;
  std::vector<std::string> vary{};
  std::string bundle{};
  std::string init_file{};
  std::string trace{};
};

/// Writes the trace of a build, also of one that fails.
class TraceFile {
 public:
  explicit TraceFile(std::string path) : path_(std::move(path)) {
    if (!path_.empty()) start_trace();
  }
  ~TraceFile() {
    if (path_.empty()) return;
    try {
      atomic_write(path_, trace_json());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the trace was not written: %s\n", error.what());
    }
  }
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

 private:
  std::string path_;
};

bool in_ci() {
  const char* ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

std::string audit_text(const std::vector<AuditFinding>& findings) {
  std::string out;
  for (const AuditFinding& finding : findings) {
    out += "step " + finding.step + ": /" + printable(finding.change.path) + " (" +
           printable(join(finding.change.what, ", ")) + ")";
    if (!finding.packages.empty()) out += ", package " + join(finding.packages, " or ");
    out += "\n";
    if (!finding.change.cause.empty()) out += "    likely: " + finding.change.cause + "\n";
    for (const std::string& line : split(finding.change.lines, '\n'))
      if (!line.empty()) out += "    " + printable(line) + "\n";
  }
  return out + (findings.empty()
                    ? "audit: every step gave the same result twice\n"
                    : "audit: " + std::to_string(findings.size()) + " paths are not reproducible\n");
}

Json audit_json(const std::vector<AuditFinding>& findings) {
  Json json = Json::array();
  for (const AuditFinding& finding : findings)
    json.push_back({{"step", finding.step},
                    {"path", "/" + finding.change.path},
                    {"what", finding.change.what},
                    {"packages", finding.packages},
                    {"cause", finding.change.cause},
                    {"lines", finding.change.lines}});
  return json;
}

Variation variation_of(const std::vector<std::string>& names) {
  Variation vary;
  for (const std::string& name : names) (name == "clock" ? vary.clock : vary.directory_order) = true;
  return vary;
}

/// A node that cannot be reached leaves the hash what it says: a file's.
std::function<std::string(const std::string&)> message_lookup(const CommandContext& context) {
  if (context.settings.offline) return {};
  return [&context](const std::string& hash) -> std::string {
    try {
      return published_file(hash, network_hosts({}, context.settings), context.reporter);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::failed) throw;
      context.reporter.note("whether " + hash + " is a message cannot be told: " + error.what());
      return {};
    }
  };
}

int run_build(const BuildArguments& arguments, CommandContext& context) {
  if (arguments.paths.size() > 1 && !(arguments.output.empty() && arguments.expect.empty()))
    throw Error(ErrorKind::usage, "-o and --expect go with one PATH only");
  const TraceFile trace(arguments.trace);
  const Session session(context.settings, context.reporter);
  bool stable = true;
  Json all = Json::array();
  for (const std::string& path : arguments.paths) {
    const BuildOutcome outcome = build_runtime({.path = path,
                                                .output = arguments.output,
                                                .locked = arguments.locked || in_ci(),
                                                .expect = arguments.expect,
                                                .published_file = message_lookup(context),
                                                .record = arguments.record,
                                                .normalize = !arguments.no_normalize,
                                                .overrides = arguments.overrides,
                                                .audit = arguments.audit,
                                                .vary = variation_of(arguments.vary),
                                                .bundle = arguments.bundle,
                                                .init_file = arguments.init_file},
                                               session);
    stable = stable && outcome.audit.empty();
    if (context.options.json) {
      all.push_back(outcome_json(outcome));
      if (arguments.audit) all.back()["audit"] = audit_json(outcome.audit);
    } else {
      print(outcome_text(outcome));
      if (arguments.audit) print(audit_text(outcome.audit));
    }
  }
  if (context.options.json) print(json_text(all.size() == 1 ? all.front() : Json{{"builds", all}}) + "\n");
  return stable ? 0 : static_cast<int>(ErrorKind::integrity);
}

}  // namespace

CommandAction add_build(ArgumentParser& parser) {
  auto arguments = std::make_shared<BuildArguments>();
  parser.add_option("PATH", arguments->paths, "Folders with a runtime.toml, or manifest files");
  parser
      .add_option("-o,--output", arguments->output,
                  "Where the image goes (default: NAME-VERSION.FORMAT here)")
      .value_name("FILE");
  parser.add_flag("--locked", arguments->locked,
                  "Never write the lock; a stale one is an error (implied by CI=true)");
  parser.add_option("--expect", arguments->expect, "Hash that the image must have").value_name("HASH");
  parser.add_flag("--record", arguments->record, "Write runtime.receipt.json beside the lock");
  parser.add_option("--set", arguments->overrides, "Override a key of [image], e.g. image.format=tar")
      .value_name("KEY=VALUE");
  parser.add_flag("--no-normalize", arguments->no_normalize,
                  "Leave the tree as the steps left it (for comparisons)");
  parser.add_flag("--audit", arguments->audit,
                  "Run every step twice, under another clock and order of folders, and say what differs");
  parser
      .add_option("--vary", arguments->vary,
                  "Run steps under a changed clock or order of folders; the image must not change")
      .one_of({"clock", "directory-order"});
  parser.add_option("--bundle", arguments->bundle, "Take what the lock names from here").value_name("FILE");
  parser
      .add_option("--init", arguments->init_file, "The init that the lock names, if this alephc has another")
      .value_name("FILE");
  parser
      .add_option("--trace", arguments->trace, "Write where the time went, for chrome://tracing or Perfetto")
      .value_name("FILE");
  return [arguments](CommandContext& context) { return run_build(*arguments, context); };
}

}  // namespace alephc
