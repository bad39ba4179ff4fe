// SPDX-License-Identifier: MIT
#include "pipeline/init_from_source.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "guest/init_source.hpp"
#include "pipeline/locking.hpp"
#include "pipeline/step_tools.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "usr/lib/aleph/aleph-init";  // where compile.sh leaves it
constexpr const char* kCompile = "run:compile";

void write_project(const fs::path& folder) {
  make_folders(folder);
  for (const GuestFile& file : init_project()) atomic_write(folder / file.name, std::string(file.bytes));
}

/// The step behind the script, where the run ends.
const std::string& step_behind_script(const BuildGraph& graph) {
  const auto script = std::find_if(graph.steps.begin(), graph.steps.end(),
                                   [](const Step& step) { return step.id == kCompile; });
  check(script != graph.steps.end() && script + 1 != graph.steps.end(), "the init's project has a script");
  return (script + 1)->id;
}

std::string compile(const fs::path& folder, const Session& session) {
  const LockedRuntime runtime = open_committed(folder, session);
  const BuildGraph graph = plan({runtime.manifest, runtime.lock, runtime.lock_text, epoch_of(runtime.lock)});
  const StepTools tools(runtime.manifest, runtime.lock, session);
  const std::vector<StepReport> steps = run_steps(graph, tools.run, step_behind_script(graph));
  const Tree tree = open_tree(steps, session.store(), session.reporter());
  const Entry* program = tree.find(kProgram);
  check(program != nullptr, "the script of the init makes its program");
  return tree.read_content(*program);
}

}  // namespace

bool needs_init_from_source(const Lock& lock, const Store& store) {
  const std::optional<Digest>& released = released_init();
  return released && *released != compiled_init().sha256 && !store.has_blob(*released) &&
         std::any_of(lock.guest_files.begin(), lock.guest_files.end(),
                     [&](const LockedGuestFile& file) { return file.sha256 == *released; });
}

void build_init_from_source(const Session& session) {
  require_root(session.settings());
  const Digest& released = *released_init();
  session.reporter().note("building aleph-init " + released.hex().substr(0, 12) + "… from its source");
  const WorkFolder work = session.store().make_work_folder();
  write_project(work.path() / "init");
  const Digest made = session.store().put_blob(compile(work.path() / "init", session));
  if (made == released) return;
  throw Error(ErrorKind::integrity,
              "aleph-init built from its source is " + made.hex() + ", and the release is " + released.hex(),
              "report this: both should be the same program on every machine");
}

}  // namespace alephc
