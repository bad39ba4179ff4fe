// SPDX-License-Identifier: MIT
#include "vm/initramfs.hpp"

#include <array>
#include <cstdio>

#include <sys/stat.h>

namespace alephc {

void Initramfs::entry(const std::string& path, std::uint32_t mode, std::string_view content,
                      std::uint32_t major, std::uint32_t minor) {
  std::array<char, 111> head{};
  std::snprintf(head.data(), head.size(), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
                ++inode_, mode, 0U, 0U, 1U, 0U, static_cast<unsigned>(content.size()), 0U, 0U, major, minor,
                static_cast<unsigned>(path.size() + 1), 0U);
  const auto pad = [this] { out_.append((4 - out_.size() % 4) % 4, '\0'); };
  out_ += head.data();
  out_ += path;
  out_ += '\0';
  pad();
  out_ += content;
  pad();
}

void Initramfs::folder(const std::string& path) {
  entry(path, S_IFDIR | 0755U, {}, 0, 0);
}

void Initramfs::file(const std::string& path, std::string_view content, std::uint32_t mode) {
  entry(path, S_IFREG | mode, content, 0, 0);
}

void Initramfs::character_device(const std::string& path, std::uint32_t major, std::uint32_t minor) {
  entry(path, S_IFCHR | 0600U, {}, major, minor);
}

std::string Initramfs::finish() {
  entry("TRAILER!!!", 0, {}, 0, 0);
  return std::move(out_);
}

}  // namespace alephc
