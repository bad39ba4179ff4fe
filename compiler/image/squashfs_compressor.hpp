// SPDX-License-Identifier: MIT
#pragma once

#include <sqfs/compressor.h>

#include "image/squashfs_common.hpp"
#include "manifest/manifest.hpp"

namespace alephc {

[[nodiscard]] SQFS_COMPRESSOR compressor_id(const std::string& name);

/// libsquashfs's compressor for a manifest's settings; for "none" one that finds nothing to gain.
[[nodiscard]] Sqfs<sqfs_compressor_t> make_compressor(const ImageSpec& image);

}  // namespace alephc
