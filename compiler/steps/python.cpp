// SPDX-License-Identifier: MIT
#include "steps/python.hpp"

#include "base/fd.hpp"
#include "base/text.hpp"
#include "language/python/package_index.hpp"
#include "sandbox/given_files.hpp"
#include "sandbox/run_checked.hpp"
#include "steps/pip.hpp"
#include "steps/workplace.hpp"

namespace alephc {
namespace {

constexpr const char* kWheels = "/run/alephc/wheels";
constexpr const char* kSources = "/run/alephc/sources";
constexpr const char* kBuilt = "/run/alephc/built";
constexpr const char* kRequirements = "/run/alephc/requirements.txt";
constexpr const char* kSourceRequirements = "/run/alephc/sources.txt";

/// A source is built at a path that is always the same, since compilers write it down.
void add_source_build(const WheelInput& wheel, std::vector<SandboxCommand>& commands) {
  const std::string folder = std::string(kSources) + "/" + wheel.name;
  commands.push_back(
      {.argv = {"python3", "-c", "import shutil, sys; shutil.unpack_archive(sys.argv[1], sys.argv[2])",
                std::string(kWheels) + "/" + wheel.file, folder}});
  commands.push_back({.argv = pip_command("wheel", {"--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir",
                                                    kBuilt, folder + "/" + source_stem(wheel.file)}),
                      .env = pip_environment()});
}

SandboxCommand install_command(const PythonInput& python, const char* from, const char* requirements,
                               bool hashes) {
  SandboxCommand command{.argv = pip_command("install", {"--no-index", "--find-links", from, "--no-deps", "--no-compile",
                                                         "--target", python.target, "--upgrade", "--requirement",
                                                         requirements}),
                         .env = pip_environment()};
  if (hashes) command.argv.emplace_back("--require-hashes");
  return command;
}

/// Files that are not meant for this Python fail to compile, which is their normal state.
SandboxCommand compile_command(const PythonInput& python) {
  std::vector<std::string> levels;
  for (const int level : python.optimize) levels.push_back(std::to_string(level));
  return {
      .argv = {"python3", "-c",
               "import compileall, py_compile, sys; compileall.compile_dir(sys.argv[1], quiet=2, force=True, "
               "optimize=[" +
                   join(levels, ", ") + "], invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)",
               python.target}};
}

void run(const PythonInput& input, const SandboxPlace& place) {
  GivenFiles given(place.scratch);
  const StagingFolder staging = given.add_folder(kWheels);
  std::string requirements;
  std::string sources;
  std::vector<SandboxCommand> commands;
  for (const WheelInput& wheel : input.wheels) {
    const UniqueFd from = place.contents.open(wheel.sha256, wheel.file);
    const UniqueFd to = staging.create(StagedName::of_file_name(wheel.file));
    copy_bytes(from.get(), to.get());
    const std::string pinned = wheel.name + "==" + wheel.version;
    if (!wheel.file.ends_with(".whl")) {
      add_source_build(wheel, commands);
      sources += pinned + "\n";
    } else {
      requirements += pinned + " --hash=sha256:" + wheel.sha256.hex() + "\n";
    }
  }
  SandboxOptions options = sandbox_options(place);
  given.add_text(kRequirements, requirements);
  given.add_text(kSourceRequirements, sources);
  given.give_to(options);
  if (!requirements.empty()) commands.push_back(install_command(input, kWheels, kRequirements, true));
  if (!sources.empty()) commands.push_back(install_command(input, kBuilt, kSourceRequirements, false));
  commands.push_back(compile_command(input));
  run_checked(place.runner, options, commands, "installing Python packages");
  remove_mount_points(place.upper);
}

}  // namespace

Step python_step(StepName name, PythonInput input) {
  return make_step(std::move(name), "python", 1, std::move(input), run);
}

}  // namespace alephc
