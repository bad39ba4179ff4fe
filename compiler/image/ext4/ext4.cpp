// SPDX-License-Identifier: MIT
// The superblock: Linux, Documentation/filesystems/ext4.
#include "image/ext4/ext4.hpp"

#include "base/little_endian.hpp"
#include "image/superblock.hpp"

namespace alephc {
namespace {

/// Two bytes may be there by chance; the numbers around them are not.
bool is_ext4(const ByteSource& image) {
  const std::string block = image.bytes(1024, 1024);
  if (block.empty()) return false;
  const auto number = [&](std::size_t at) { return read_little(std::string_view(block).substr(at, 4)); };
  constexpr std::uint64_t kLargestBlock = 6;  // 1024 bytes, doubled so many times
  return number(24) <= kLargestBlock && number(20) <= 1 && number(76) <= 1 && number(0) > 0 && number(4) > 0;
}

ImageFields fields(const ByteSource& image) {
  const Superblock block(image, 1024, 1024);
  return {{"uuid", block.uuid(0x68)},
          {"label", block.text(0x78, 16)},
          {"hash seed", block.uuid(0xec)},
          {"block size", std::to_string(std::uint64_t{1024} << (block.number(0x18, 4) & 15U))},
          {"inodes", block.decimal(0x0, 4)},
          {"blocks", block.decimal(0x4, 4)},
          {"free blocks", block.decimal(0xc, 4)},
          {"made at", block.decimal(0x108, 4)},
          {"written at", block.decimal(0x30, 4)},
          {"mounted at", block.decimal(0x2c, 4)},
          {"checked at", block.decimal(0x40, 4)},
          {"mounts", block.decimal(0x34, 2)},
          {"features", block.decimal(0x5c, 4) + " " + block.decimal(0x60, 4) + " " + block.decimal(0x64, 4)}};
}

std::vector<std::string> libraries() {
  return {ext4_library()};
}

}  // namespace

const ImageFormat& ext4_format() {
  static const ImageFormat format{.name = "ext4",
                                  .extension = ".ext4",
                                  .keys = "size|label|verity",
                                  .is_function_root = true,
                                  .boot_area = 1024,
                                  .magic = {.offset = 1080, .bytes = "\x53\xef", .confirms = is_ext4},
                                  .partition = {.write = write_ext4_at,
                                                .fstab = "rw,discard,errors=remount-ro 0 1",
                                                .grub_module = "ext2"},
                                  .write = write_ext4,
                                  .read = read_ext4,
                                  .fields = fields,
                                  .libraries = libraries};
  return format;
}

}  // namespace alephc
