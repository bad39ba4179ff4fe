// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "compare/image_diff.hpp"
#include "distro/distro.hpp"
#include "store/store.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// A path that a step gave two contents when it ran twice.
struct AuditFinding {
  std::string step{};
  PathChange change{};
  std::vector<std::string> packages{};  ///< that ship the path, or whose maintainer scripts name it
};

/// What of the difference between two results of one step reaches an image: both are normalized first.
[[nodiscard]] std::vector<AuditFinding> audit_results(const std::string& step, const Tree& below,
                                                      const std::shared_ptr<const Layer>& first,
                                                      const std::shared_ptr<const Layer>& second,
                                                      const OutputEpoch& epoch, const Distro& distro,
                                                      const Store& store);

}  // namespace alephc
