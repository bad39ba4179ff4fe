// SPDX-License-Identifier: MIT
#include "image/disk/disk.hpp"

namespace alephc {

const ImageFormat& disk_format() {
  static const ImageFormat format{.name = "disk",
                                  .extension = ".img",
                                  .compressions = "none|zstd",
                                  .keys = "size|label|filesystem|subvolume",
                                  .is_disk = true,
                                  .level_of_filesystem = true,
                                  .magic = {.offset = 512, .bytes = "EFI PART"},
                                  .write = write_disk,
                                  .read = read_disk};
  return format;
}

const ImageFormat& qcow2_format() {
  static const ImageFormat format{.name = "qcow2",
                                  .extension = ".qcow2",
                                  .compressions = "zstd|gzip|none",
                                  .keys = "size|label|filesystem|subvolume",
                                  .is_disk = true,
                                  .magic = {.offset = 0, .bytes = "QFI\xfb"},
                                  .write = write_qcow2,
                                  .read = read_qcow2};
  return format;
}

}  // namespace alephc
