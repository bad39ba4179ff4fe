// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/little_endian.hpp"
#include "image/byte_source.hpp"
#include "image/derived_uuid.hpp"

namespace alephc {

/// A block of bytes read by little-endian numbers; what is beyond its end reads as zero.
class Superblock {
 public:
  Superblock(const ByteSource& image, std::uint64_t at, std::size_t size) : bytes_(size, '\0') {
    bytes_.resize(image.read(at, bytes_));
  }
  [[nodiscard]] std::uint64_t number(std::size_t at, std::size_t size) const {
    return at < bytes_.size() ? read_little(std::string_view(bytes_).substr(at, size)) : 0;
  }
  [[nodiscard]] std::string decimal(std::size_t at, std::size_t size) const {
    return std::to_string(number(at, size));
  }
  [[nodiscard]] std::string uuid(std::size_t at) const {
    Uuid uuid{};
    for (std::size_t i = 0; i < uuid.size(); ++i) uuid.at(i) = static_cast<std::uint8_t>(number(at + i, 1));
    return uuid_text(uuid);
  }
  [[nodiscard]] std::string text(std::size_t at, std::size_t size) const {
    const std::string part = at < bytes_.size() ? bytes_.substr(at, size) : "";
    return part.substr(0, part.find('\0'));
  }

 private:
  std::string bytes_;
};

}  // namespace alephc
