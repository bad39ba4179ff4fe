// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <sys/types.h>

#include "tree/known_contents.hpp"

namespace alephc {

/// Makes a character device in a root. Only the machine's own root can: for others an empty file stands for
/// it, which known is told of.
void make_device(int root_fd, const std::string& place, unsigned major, unsigned minor, mode_t mode,
                 KnownContents& known);

}  // namespace alephc
