// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace alephc {

/// A cpio archive in the "newc" form that Linux unpacks as its first root; times and owners are zero.
class Initramfs {
 public:
  void folder(const std::string& path);
  void file(const std::string& path, std::string_view content, std::uint32_t mode = 0644);
  void character_device(const std::string& path, std::uint32_t major, std::uint32_t minor);
  [[nodiscard]] std::string finish();

 private:
  void entry(const std::string& path, std::uint32_t mode, std::string_view content, std::uint32_t major,
             std::uint32_t minor);
  std::string out_;
  std::uint32_t inode_ = 0;
};

}  // namespace alephc
