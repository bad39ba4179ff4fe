// SPDX-License-Identifier: MIT
#pragma once

namespace alephc {

/// Turns SIGINT, SIGTERM and SIGHUP into a flag that long work polls, and ignores SIGPIPE.
void install_interrupt_handlers();
[[nodiscard]] bool interrupted();
/// Throws an Error of kind interrupted once Ctrl-C was pressed.
void throw_if_interrupted();

}  // namespace alephc
