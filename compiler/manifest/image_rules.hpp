// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "manifest/manifest.hpp"

namespace alephc {

/// What the keys of [image] mean for one format.
struct ImageRules {
  std::string_view format;
  std::string_view compressions;  ///< "zstd|none", the default first
  std::string_view keys;          ///< of [image] that not every format may have, "size|label"
};
[[nodiscard]] const ImageRules& image_rules(std::string_view format);
[[nodiscard]] std::vector<std::string> compressions_of(std::string_view format);

/// Gives an image whose compression is not said, or not known to its format, the format's own.
void settle_compression(ImageSpec& image);

/// True for images that start by themselves: a partition table, a boot loader.
[[nodiscard]] bool is_disk(std::string_view format);

}  // namespace alephc
