// SPDX-License-Identifier: MIT
// The superblock: squashfs 4.0 (Linux, fs/squashfs/squashfs_fs.h).
#include "image/squashfs/squashfs.hpp"

#include <array>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "image/libraries.hpp"
#include "image/superblock.hpp"

namespace alephc {
namespace {

std::string compressor_name(std::uint64_t id) {
  static constexpr std::array kNames{"none", "gzip", "lzma", "lzo", "xz", "lz4", "zstd"};
  return id < kNames.size() ? kNames[id] : std::to_string(id);
}

ImageFields fields(const ByteSource& image) {
  const Superblock block(image, 0, 96);
  return {{"version", block.decimal(28, 2) + "." + block.decimal(30, 2)},
          {"compressor", compressor_name(block.number(20, 2))},
          {"block size", block.decimal(12, 4)},
          {"flags", block.decimal(24, 2)},
          {"made at", block.decimal(8, 4)},
          {"inodes", block.decimal(4, 4)},
          {"fragments", block.decimal(16, 4)},
          {"ids", block.decimal(26, 2)},
          {"bytes used", block.decimal(40, 8)}};
}

std::vector<std::string> libraries() {
  return {std::string("libsquashfs ") + squashfs_version(), std::string("libzstd ") + ZSTD_versionString(),
          std::string("liblzma ") + lzma_version_string(), std::string("zlib ") + zlibVersion(),
          std::string("liblz4 ") + LZ4_versionString()};
}

}  // namespace

const ImageFormat& squashfs_format() {
  static const ImageFormat format{.name = "squashfs",
                                  .extension = ".squashfs",
                                  .compressions = "zstd|xz|gzip|lz4|none",
                                  .keys = "verity",
                                  .has_block_size = true,
                                  .keeps_blocks = true,
                                  .is_function_root = true,
                                  .magic = {.offset = 0, .bytes = "hsqs"},
                                  .write = write_squashfs,
                                  .read = read_squashfs,
                                  .fields = fields,
                                  .libraries = libraries};
  return format;
}

}  // namespace alephc
