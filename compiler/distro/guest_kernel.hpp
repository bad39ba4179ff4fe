// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "distro/distro.hpp"

namespace alephc {

/// A kernel to try images with; a node brings its own. Debian's cloud kernel, from the machine's mirrors.
struct GuestKernel {
  std::string name{};   ///< the package
  std::string image{};  ///< bzImage
  /// File name and content of the wanted modules and all they need, each after what it needs.
  std::vector<std::pair<std::string, std::string>> modules{};
};

[[nodiscard]] GuestKernel fetch_guest_kernel(const Mirrors& mirrors, const std::vector<std::string>& wanted,
                                             const ToolBox& tools);

}  // namespace alephc
