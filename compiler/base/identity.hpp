// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace alephc {

/// Who this process is to the kernel: the user, and how the ids of its user namespace map to the machine's.
/// Two processes with the same identity write the same owners. "0 0:0:4294967295" for the machine's own root.
[[nodiscard]] const std::string& process_identity();

/// True when root here is not root of the machine.
[[nodiscard]] bool in_user_namespace();

/// To be called when the process has entered another namespace.
void refresh_identity();

}  // namespace alephc
