// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

namespace aleph_init {

/// Starts a detached thread with a small stack; exceptions end it with a line on the console. Runs the work
/// at once if no thread can be made.
void start_thread(std::function<void()> work);

}  // namespace aleph_init
