// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include <sqfs/compressor.h>

#include "base/digest.hpp"
#include "image/image_spec.hpp"
#include "image/squashfs/block_cache.hpp"
#include "image/squashfs/common.hpp"

namespace alephc {

[[nodiscard]] SQFS_COMPRESSOR compressor_id(const std::string& name);

/// libsquashfs's compressor for a manifest's settings; for "none" one that finds nothing to gain.
[[nodiscard]] Sqfs<sqfs_compressor_t> make_compressor(const ImageSpec& image);

/// Compresses a block; zeros have no name.
[[nodiscard]] PackedBytes pack_block(std::string_view raw, const Digest& name, std::uint32_t block_size,
                                     sqfs_compressor_t& compressor);

/// True if raw is what was compressed.
[[nodiscard]] bool unpacks_to(std::string_view raw, const PackedBytes& packed, const ImageSpec& image);

}  // namespace alephc
