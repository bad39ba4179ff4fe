// SPDX-License-Identifier: MIT
#include "steps/embed.hpp"

namespace alephc {
namespace {

void run(const EmbedInput& input, const ComputedPlace& place) {
  const auto put = [&](const char* name, const std::string& text) {
    place.out.put_file({.path = std::string("usr/share/alephc/") + name, .mode = 0644, .mtime = place.out.time()}, text);
  };
  put("runtime.toml", input.manifest.text);
  put("runtime.lock", input.lock.text);
}

}  // namespace

Step embed_step(StepName name, EmbedInput input) {
  return make_step(std::move(name), "embed", 1, std::move(input), run);
}

}  // namespace alephc
