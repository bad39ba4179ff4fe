// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "init/configuration.hpp"

namespace aleph_init {

/// Brings lo up. Once at boot, whether there is a network or not.
void raise_loopback();

/// Addresses and default routes of eth0 (nothing if there
/// is none), by rtnetlink: no tool of the image is needed.
void set_up_network(const Configuration& configuration);

/// /etc/resolv.conf; nothing is written without name servers.
void write_name_servers(const Configuration& configuration, const std::string& file);

}  // namespace aleph_init
