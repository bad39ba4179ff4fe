// SPDX-License-Identifier: MIT
#include "pipeline/why.hpp"

#include "base/diagnostic.hpp"
#include "pipeline/planned.hpp"

namespace alephc {
namespace {

/// The steps of the last build as far as the store still has them.
std::vector<StepReport> built_steps(const PlannedRuntime& planned, const Store& store) {
  std::vector<StepReport> reports;
  for (std::size_t i = 0; i < planned.graph.steps.size(); ++i) {
    if (planned.states[i].status != StepState::Status::cached) break;
    const auto record = store.find_action(planned.states[i].key);
    const auto result = record ? parse_step_result(record->result) : std::nullopt;
    if (!result) break;
    reports.push_back(
        {planned.graph.steps[i].id, planned.graph.steps[i].title, planned.states[i].key, true, 0, *result});
  }
  return reports;
}

/// What each of these needs stands in no lock; the lists that they come from do.
std::vector<std::string> explain_language_package(const Lock& lock, const std::string& name) {
  std::vector<std::string> lines;
  for (const LockedWheel& wheel : lock.wheels)
    if (wheel.name == name) lines.push_back(wheel.file + " is chosen by pip for what [python] asks for");
  for (const LockedModule& module : lock.modules)
    if (module.name == name)
      lines.push_back(module.path + " " + module.version + " is in the package-lock.json of [node]");
  return lines;
}

/// The steps that wrote or removed a path, in their order.
std::vector<std::string> explain_path_by_steps(const std::vector<StepReport>& reports, const Tree& tree,
                                               const std::string& path) {
  std::vector<std::string> lines;
  std::size_t layer = 0;
  for (const StepReport& report : reports) {
    if (report.layer() == nullptr) continue;
    const Entry* entry = find_entry(tree.layers()[layer++]->listing, path);
    if (entry == nullptr) continue;
    lines.push_back("/" + path +
                    (entry->type == EntryType::whiteout ? " was removed by step " : " was written by step ") +
                    report.id);
  }
  return lines;
}

}  // namespace

std::vector<std::string> explain(const std::filesystem::path& path, const std::string& subject,
                                 const Session& session) {
  const PlannedRuntime planned = plan_runtime(path, session);
  const Lock& lock = planned.runtime.lock;
  if (std::vector<std::string> lines = explain_language_package(lock, subject); !lines.empty()) return lines;
  const std::vector<StepReport> reports = built_steps(planned, session.store());
  if (reports.empty()) throw Error(ErrorKind::failed, "nothing is built yet", "run 'alephc build' first");
  const Tree tree = open_tree(reports, session.store(), session.reporter());
  const Distro& distro = distro_of(planned.runtime.manifest.base.distro);
  if (!subject.starts_with('/')) return distro.explain_package(planned.runtime.manifest, lock, tree, subject);
  const std::string wanted = tree.resolve(subject.substr(1), false);
  std::vector<std::string> lines = explain_path_by_steps(reports, tree, wanted);
  if (lines.empty()) throw Error(ErrorKind::failed, "no step wrote " + subject);
  for (std::string& line : distro.explain_path(tree, wanted)) lines.push_back(std::move(line));
  return lines;
}

}  // namespace alephc
