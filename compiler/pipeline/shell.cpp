// SPDX-License-Identifier: MIT
#include "pipeline/shell.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "pipeline/locking.hpp"
#include "pipeline/step_tools.hpp"
#include "steps/workplace.hpp"

namespace alephc {
namespace {

void check_step(const BuildGraph& graph, const std::string& id) {
  std::vector<std::string> ids;
  for (const Step& each : graph.steps) ids.push_back(each.id);
  if (std::find(ids.begin(), ids.end(), id) == ids.end())
    throw Error(ErrorKind::usage, "there is no step '" + id + "'", "there are: " + join(ids, ", "));
}

}  // namespace

int open_shell(const std::filesystem::path& path, const std::string& step,
               const std::vector<std::string>& command, const Session& session) {
  require_root(session.settings());
  const LockedRuntime runtime = open_committed(path, session);
  const BuildGraph graph = plan({runtime.manifest, runtime.lock, runtime.lock_text, epoch_of(runtime.lock)});
  const std::string stop = step.empty() ? "write" : step;
  check_step(graph, stop);
  const StepTools tools(runtime.manifest, runtime.lock, session);
  const Tree tree = open_tree(run_steps(graph, tools.run, stop), session.store(), session.reporter());
  if (tree.layers().empty()) throw Error(ErrorKind::usage, "there is no tree before the first step");
  const WorkFolder work = session.store().make_work_folder();
  prepare_upper(tree, work.path() / "upper");
  make_folders(work.path() / "scratch", 0700);
  const SandboxOptions options{.root = sandbox_root(tree, work.path() / "upper", work.path() / "scratch"),
                               .room = graph.epoch.room,
                               .interactive = true};
  SandboxCommand shell{.argv = command.empty() ? std::vector<std::string>{"/bin/sh", "-i"} : command};
  if (const char* term = std::getenv("TERM")) shell.env["TERM"] = term;
  return session.runner().run(options, {shell}).exit_code;
}

}  // namespace alephc
