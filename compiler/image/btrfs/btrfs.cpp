// SPDX-License-Identifier: MIT
// The superblock: btrfs.readthedocs.io, "On-disk Format".
#include "image/btrfs/btrfs.hpp"

#include "image/superblock.hpp"

namespace alephc {
namespace {

ImageFields fields(const ByteSource& image) {
  const Superblock block(image, 65536, 4096);
  return {{"uuid", block.uuid(0x20)},
          {"label", block.text(0x12b, 256)},
          {"generation", block.decimal(0x48, 8)},
          {"bytes", block.decimal(0x70, 8)},
          {"bytes used", block.decimal(0x78, 8)},
          {"sector size", block.decimal(0x90, 4)},
          {"node size", block.decimal(0x94, 4)},
          {"features", block.decimal(0xac, 8) + " " + block.decimal(0xb4, 8) + " " + block.decimal(0xbc, 8)},
          {"device uuid", block.uuid(0xc9 + 66)}};
}

}  // namespace

const ImageFormat& btrfs_format() {
  static const ImageFormat format{
      .name = "btrfs",
      .extension = ".btrfs",
      .compressions = "none|zstd",
      .keys = "size|label|subvolume|verity",
      .boot_area = 65536,
      .magic = {.offset = 65600, .bytes = "_BHRfS_M"},
      .partition = {.write = write_btrfs_at, .fstab = "rw,discard=async 0 0", .grub_module = "btrfs"},
      .write = write_btrfs,
      .read = read_btrfs,
      .fields = fields};
  return format;
}

}  // namespace alephc
