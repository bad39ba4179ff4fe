// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "init/handle.hpp"

namespace aleph_init {

/// Makes the guest API reachable: accepts clients on a UNIX socket and connects each to the host when it
/// comes, because the host's end may not be there before the configuration is answered. Runs in threads of
/// its own; one client's failure is its own. Throws SetupError if the socket cannot be made.
void start_bridge(const std::string& path, std::function<Handle()> connect_to_host);

}  // namespace aleph_init
