// SPDX-License-Identifier: MIT
#pragma once

#include "base/fd.hpp"
#include "decode/decode.hpp"

namespace alephc {

/// Starts the process that decoders are forked from. Called once, before there are threads or much memory: a
/// fork of the grown process would copy its page tables for each of hundreds of packages. Without it decoders
/// are forked directly.
void start_decode_server();

/// A decoding child that reads in and writes its messages to the returned pipe. Dies when the pipe is closed.
[[nodiscard]] UniqueFd start_decoder(int in, ArchiveKind kind);

}  // namespace alephc
