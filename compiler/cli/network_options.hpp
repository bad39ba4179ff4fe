// SPDX-License-Identifier: MIT
#pragma once

#include "cli/command.hpp"
#include "network/node_api.hpp"

namespace alephc {

/// --api and --gateway.
void add_network_options(ArgumentParser& parser, NetworkHosts& hosts);

/// What the command line names, over environment and configuration, over the network's own hosts.
[[nodiscard]] NetworkHosts network_hosts(const NetworkHosts& named, const Settings& settings);

}  // namespace alephc
