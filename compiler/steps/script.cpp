// SPDX-License-Identifier: MIT
#include "steps/script.hpp"

#include "base/files.hpp"
#include "sandbox/given_files.hpp"
#include "sandbox/network.hpp"
#include "sandbox/run_checked.hpp"
#include "steps/workplace.hpp"

namespace alephc {
namespace {

constexpr const char* kScript = "/run/alephc/script";
constexpr const char* kInputs = "/run/alephc/inputs";

void stage(const InputFile& file, const StagingFolder& folder, const Contents& contents) {
  const StagedName name = StagedName::of_project_path(file.path);
  if (file.kind == "folder") return folder.make_folder(name);
  const UniqueFd content = contents.open(file.sha256, "'" + file.path + "' of the project");
  if (file.kind == "link") return folder.make_link(name, read_all(content.get()));
  copy_bytes(content.get(), folder.create(name, file.kind == "executable" ? 0755 : 0644).get());
}

void run(const ScriptInput& input, const SandboxPlace& place) {
  GivenFiles given(place.scratch);
  const std::string text =
      input.source ? read_all(place.contents.open(*input.source, "the script '" + input.name.text + "'").get())
                   : input.script;
  given.add_text(kScript, text, 0755);
  const StagingFolder staging = given.add_folder(kInputs);
  for (const InputFile& file : input.inputs) stage(file, staging, place.contents);
  SandboxOptions options = sandbox_options(place);
  given.give_to(options);
  SandboxCommand command{.argv = {"/bin/sh", "-eu", kScript}, .env = input.env, .user = input.user};
  if (text.starts_with("#!")) command.argv = {kScript};
  std::optional<PrivateNetwork> network;
  std::optional<NetworkNames> names;
  if (input.network) {
    network.emplace().connect_outside();
    options.network = &*network;
    names.emplace(place);
  }
  run_checked(place.runner, options, {command}, "the script '" + input.name.text + "'");
  if (names) names->take_back();
  remove_mount_points(place.upper);
}

}  // namespace

Step script_step(StepName name, ScriptInput input) {
  return make_step(std::move(name), "script", 1, std::move(input), run);
}

}  // namespace alephc
