// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "sandbox/sandbox.hpp"
#include "store/store.hpp"
#include "tree/layer_writer.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// Puts the locked init into the image: the program at /sbin/init (or as a unit of the distribution's init),
/// its settings, the plugins, and the folders that it cannot make on a read-only root. What the settings name
/// must be in the image and executable, with its interpreter; every problem is told at once.
void put_init(const Manifest& manifest, const Lock& lock, const Store& store, const Tree& below,
              LayerWriter& out);

/// Compiles the ASGI worker with the image's own Python.
[[nodiscard]] std::vector<SandboxCommand> compile_worker_commands(const PythonSpec& python);

/// What the init reads at boot; compiler/init/settings.hpp has the shape. distro_init: the init to become, or
/// "".
[[nodiscard]] std::string init_settings(const Manifest& manifest, const std::string& distro_init = {});

}  // namespace alephc
