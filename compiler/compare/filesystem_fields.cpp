// SPDX-License-Identifier: MIT
// Superblocks: squashfs 4.0 (kernel, fs/squashfs/squashfs_fs.h), ext4 (kernel,
// Documentation/filesystems/ext4), btrfs (btrfs.readthedocs.io, on-disk format).
#include <array>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "base/little_endian.hpp"
#include "compare/image_facts.hpp"

namespace alephc {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

/// A block of bytes read by little-endian numbers; what is beyond its end reads as zero.
class Block {
 public:
  Block(int fd, off_t at, std::size_t size) : bytes_(size, '\0') {
    const ssize_t got = read_at(fd, static_cast<std::uint64_t>(at), bytes_);
    bytes_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  [[nodiscard]] std::uint64_t number(std::size_t at, std::size_t size) const {
    return at < bytes_.size() ? read_little(std::string_view(bytes_).substr(at, size)) : 0;
  }
  [[nodiscard]] std::string decimal(std::size_t at, std::size_t size) const {
    return std::to_string(number(at, size));
  }
  [[nodiscard]] std::string uuid(std::size_t at) const {
    std::string out;
    for (std::size_t i = 0; i < 16; ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
      const std::uint8_t byte = static_cast<std::uint8_t>(number(at + i, 1));
      out += to_hex({&byte, 1});
    }
    return out;
  }
  [[nodiscard]] std::string text(std::size_t at, std::size_t size) const {
    const std::string part = at < bytes_.size() ? bytes_.substr(at, size) : "";
    return part.substr(0, part.find('\0'));
  }
  [[nodiscard]] bool has(std::size_t at, std::string_view magic) const {
    return bytes_.size() >= at + magic.size() && std::string_view(bytes_).substr(at, magic.size()) == magic;
  }

 private:
  std::string bytes_;
};

std::string compressor_name(std::uint64_t id) {
  static constexpr std::array kNames{"none", "gzip", "lzma", "lzo", "xz", "lz4", "zstd"};
  return id < kNames.size() ? kNames[id] : std::to_string(id);
}

Fields squashfs_fields(const Block& block) {
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

Fields ext4_fields(const Block& block) {
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

Fields btrfs_fields(const Block& block) {
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

Fields filesystem_fields(const std::filesystem::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  const Block first(fd.get(), 0, 96);
  if (first.has(0, "hsqs")) return squashfs_fields(first);
  const Block ext4(fd.get(), 1024, 1024);
  if (ext4.has(0x38, "\x53\xef")) return ext4_fields(ext4);
  const Block btrfs(fd.get(), 65536, 4096);
  if (btrfs.has(0x40, "_BHRfS_M")) return btrfs_fields(btrfs);
  return {};
}

}  // namespace alephc
