// SPDX-License-Identifier: MIT
#pragma once

namespace alephc {

/// Of the libsquashfs that alephc was built with, which does not say itself.
[[nodiscard]] const char* squashfs_version();

/// Whether the libraries that shape bytes are those of cmake/pinned.cmake, and not this machine's.
[[nodiscard]] bool has_pinned_libraries();

}  // namespace alephc
