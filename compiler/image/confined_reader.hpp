// SPDX-License-Identifier: MIT
#pragma once

#include "image/image_format.hpp"

namespace alephc {

/// read_source() in a child process that can only read the open image, allocate a bounded amount of memory and answer. It
/// cannot open files or sockets or start processes, and drops root for the user nobody. The answer is bounded and
/// checked. Throws what the child's reader threw, an integrity Error when the child died or said nonsense, and an Error
/// of kind interrupted within a moment of Ctrl-C.
[[nodiscard]] ImageContent read_confined(int image_fd, const ReadOptions& options);

}  // namespace alephc
