// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/reporter.hpp"
#include "vm/machine.hpp"

namespace alephc {

struct ConformanceCheck {
  enum class Verdict { pass, fail, skip };
  std::string name{};
  Verdict verdict = Verdict::pass;
  std::string why{};
};

/// Boots a runtime image several times and checks from outside what a node relies on; works on any image.
/// report gets each check as it is done. has_python: the image can run ASGI programs.
[[nodiscard]] std::vector<ConformanceCheck> check_conformance(
    const MachineSpec& machine, bool has_python, const std::function<void(const ConformanceCheck&)>& report,
    const std::function<void(const std::string&)>& console, Reporter& reporter);

}  // namespace alephc
