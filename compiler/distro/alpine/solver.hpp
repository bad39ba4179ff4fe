// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "distro/alpine/index.hpp"

namespace alephc::alpine {

/// What stands in the way, in words, and how it came up: {"nginx", "nginx-common"} from the world on.
struct Obstacle {
  std::vector<std::string> lines{};
  std::vector<std::string> chain{};
};

struct Solution {
  std::vector<std::uint32_t> packages{};  ///< numbers in the index, in the order of installation
  std::vector<Obstacle> obstacles{};      ///< empty if there is a solution
};

/// Chooses packages for a world (/etc/apk/world) on an empty
/// system, the same as `apk add` of apk-tools 2.14 does.
class Solver {
 public:
  /// tags: one a source of the index, empty for those that every package may come from. kept: packages to
  /// prefer over other versions, as if they were installed.
  Solver(const PackageIndex& index, std::vector<std::string> tags, std::set<std::uint32_t> kept = {});

  [[nodiscard]] Solution solve(std::vector<Dependency> world) const;

 private:
  const PackageIndex& index_;
  std::vector<std::string> tags_;
  std::set<std::uint32_t> kept_;
};

}  // namespace alephc::alpine
