// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace alephc {
class ByteSource;
class ReadBudget;
}  // namespace alephc

namespace alephc::fat {

inline constexpr std::size_t kEntry = 32;  ///< bytes of an entry of a folder

/// A path of a FAT filesystem; folders before what they hold.
struct File {
  std::string path{};  ///< "EFI/BOOT/BOOTX64.EFI", UTF-8
  bool is_folder = false;
  std::string content{};
};

struct Volume {
  std::uint64_t size = 0;    ///< in bytes, a multiple of 1 MiB, at least 33 MiB
  std::uint64_t sector = 0;  ///< of the disk, where it begins
  std::uint32_t serial = 0;
  std::string label = "ESP";  ///< up to 11 upper-case characters
  std::int64_t time = 0;      ///< of every file, in seconds; not before 1980
};

/// A FAT32 filesystem (Microsoft, "FAT: General Overview of On-Disk Format", 1.03) up to its last used byte:
/// what follows is zeros. Files lie in one piece each, in order. Throws an Error naming what does not fit.
[[nodiscard]] std::string make_volume(const Volume& volume, const std::vector<File>& files);

/// Everything in a FAT12, FAT16 or FAT32 filesystem. Throws an integrity Error when it is damaged.
[[nodiscard]] std::vector<File> read_volume(const ByteSource& volume, ReadBudget& budget);

}  // namespace alephc::fat
