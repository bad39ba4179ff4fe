// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc {

/// Makes a user without rights root of a user namespace of his own, with ids 0 to 65535: himself as 0, the
/// others from his range in /etc/subuid and /etc/subgid, by newuidmap and newgidmap. For a process without
/// threads; everything it does from then on it does in there. Returns why it could not, with the setting that
/// forbids it; empty when done.
[[nodiscard]] std::string enter_user_namespace();

}  // namespace alephc
