// SPDX-License-Identifier: MIT
#include "steps/install.hpp"

#include "steps/package_parts.hpp"
#include "steps/workplace.hpp"
#include "store/layer_contents.hpp"

namespace alephc {
namespace {

void run(const InstallInput& input, const SandboxPlace& place) {
  const Distro& distro = distro_of(input.distro);
  LayerContents contents(place.store);
  const auto take = [&](const InstallPackage& package) {
    return take_apart(
        {.digest = package.sha256,
         .kind = distro.package_kind(),
         .label = package.name + " " + package.version,
         .open = [&] { return place.contents.open(package.sha256, package.name + " " + package.version); }},
        place.store, contents, place.scratch / "decoded", place.room.time);
  };
  const InstallJob job{.input = input,
                       .below = place.below,
                       .upper = place.upper,
                       .scratch = place.scratch,
                       .log = place.log,
                       .jobs = place.jobs,
                       .known = place.known,
                       .room = place.room,
                       .runner = place.runner,
                       .vary = place.vary,
                       .decode_package = take,
                       .unpacked = place.unpacked,
                       .empty_upper = [&] { empty_upper(place.below, place.upper); }};
  distro.install(job, place.reporter);
}

}  // namespace

Step install_step(StepName name, InstallInput input) {
  return make_step(std::move(name), "install", 2, std::move(input), run);
}

}  // namespace alephc
