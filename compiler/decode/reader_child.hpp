// SPDX-License-Identifier: MIT
#pragma once

#include "decode/decode.hpp"

namespace alephc {

/// Body of the decoding child: reads the archive from fd with
/// libarchive and writes messages to out_fd. Never throws.
void read_archive(int fd, ArchiveKind kind, int out_fd) noexcept;

/// Gives up all rights but to read, write and allocate up to a bound. Called in the child, before
/// read_archive, which must not be called where this returns false.
[[nodiscard]] bool confine_decoder();

}  // namespace alephc
