// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "graph/plan.hpp"

namespace alephc {

/// Where a step stands: what a build would do with it.
struct StepState {
  enum class Status { cached, will_run, unknown };
  Status status = Status::unknown;
  Digest key{};       ///< zero while the inputs are unknown
  std::string why{};  ///< "new", "script changed", "follows run:setup"
};

[[nodiscard]] std::string draw_text(const BuildGraph& graph, const std::vector<StepState>& states);
[[nodiscard]] std::string draw_dot(const BuildGraph& graph, const std::vector<StepState>& states);
[[nodiscard]] std::string draw_json(const BuildGraph& graph, const std::vector<StepState>& states);
[[nodiscard]] std::string draw_svg(const BuildGraph& graph, const std::vector<StepState>& states);

/// What differs between two key texts, in words: "package bash 5.2 → 5.3; script changed".
[[nodiscard]] std::string explain_change(const std::string& old_key_text, const std::string& new_key_text);

}  // namespace alephc
