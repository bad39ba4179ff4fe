// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"

namespace alephc {

enum class StepKind {
  early_files,
  install,
  system,
  locales,
  python,
  archive,
  node,
  files,
  run,
  boot,
  boot_loader,
  remove,
  exclude,
  init,
  worker,
  normalize,
  subtree,
  write
};

/// One step of a build. All but the last make a layer on top of those before.
struct Step {
  std::string id{};     ///< stable name: "install:packages", "run:setup"
  std::string title{};  ///< for people
  StepKind kind = StepKind::files;
  std::size_t item = 0;  ///< index into the lock's layers, the manifest's archives or runs
  /// What besides the trees below decides the step's result: the body of its key, one "word value" a line.
  std::vector<std::string> parameters{};
  /// Files from the network that it reads: (label, sha256).
  std::vector<std::pair<std::string, Digest>> fetches{};
};

/// Steps in the order they run; each builds on all before it.
struct BuildGraph {
  std::vector<Step> steps{};
};

struct PlanOptions {
  bool normalize = true;
  std::vector<std::string> tools{};  ///< "libsquashfs 1.2.0": libraries that shape the image's bytes
  int install_version = 1;
  std::string init_settings{};  ///< what the image's init reads
};

/// From here on no step is added or changed.
[[nodiscard]] BuildGraph plan(const Manifest& manifest, const Lock& lock, const std::string& lock_text,
                              const PlanOptions& options);

/// The canonical text whose sha256 is a step's key:
///   alephc-key 1
///   kind <kind> / step-time <seconds> / the parameters, one a line / input <layer digest> for every layer
///   below
/// Nothing else may influence a step.
[[nodiscard]] std::string key_text(const Step& step, const std::vector<Digest>& inputs);

[[nodiscard]] const char* kind_name(StepKind kind);

}  // namespace alephc
