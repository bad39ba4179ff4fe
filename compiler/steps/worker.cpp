// SPDX-License-Identifier: MIT
#include "steps/worker.hpp"

#include "sandbox/given_files.hpp"
#include "sandbox/run_checked.hpp"
#include "steps/workplace.hpp"

namespace alephc {
namespace {

constexpr const char* kSource = "/run/alephc/asgi_worker.py";

void run(const WorkerInput& input, const SandboxPlace& place) {
  GivenFiles given(place.scratch);
  given.add_text(kSource, read_all(place.contents.open(input.source, "asgi_worker.py").get()));
  SandboxOptions options = sandbox_options(place);
  given.give_to(options);
  const SandboxCommand compile{
      .argv = {"python3", "-c",
               "import os, py_compile; os.makedirs('/usr/lib/aleph', exist_ok=True); "
               "py_compile.compile('" + std::string(kSource) +
                   "', cfile='/usr/lib/aleph/asgi_worker.pyc', dfile='asgi_worker.py', doraise=True, optimize=" +
                   std::to_string(input.optimize) +
                   ", invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)"}};
  run_checked(place.runner, options, {compile}, "compiling the ASGI worker");
  remove_mount_points(place.upper);
}

}  // namespace

Step worker_step(StepName name, WorkerInput input) {
  return make_step(std::move(name), "worker", 2, std::move(input), run);
}

}  // namespace alephc
