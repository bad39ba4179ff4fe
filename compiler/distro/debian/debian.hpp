// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "distro/distro.hpp"

namespace alephc::debian {

[[nodiscard]] std::unique_ptr<Distro> make_debian();

/// Chooses packages with apt's own solver.
[[nodiscard]] Resolution resolve(const ResolveRequest& request, const ToolBox& tools);

/// Unpacks and configures one layer of packages; see install.cpp for the method.
void install(const InstallJob& job, Reporter& reporter);

}  // namespace alephc::debian
