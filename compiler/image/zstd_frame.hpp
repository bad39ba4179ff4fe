// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace alephc {

/// One zstd frame (RFC 8878) of a block of an image. Safe
/// for threads, each of which keeps its own compressor.
[[nodiscard]] std::string zstd_frame(std::string_view bytes, int level);

/// The content of the frame that packed begins with, up
/// to so many bytes; an integrity Error if it is damaged.
[[nodiscard]] std::string unpack_zstd_frame(std::string_view packed, std::size_t most);

}  // namespace alephc
