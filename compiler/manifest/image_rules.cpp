// SPDX-License-Identifier: MIT
#include "manifest/image_rules.hpp"

#include <algorithm>
#include <array>

#include "base/diagnostic.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::array kRules{
    ImageRules{"squashfs", "zstd|xz|gzip|lz4|none", "verity"},
    ImageRules{"ext4", "none", "size|label|verity"},
    ImageRules{"btrfs", "none|zstd", "size|label|subvolume|verity"},
    ImageRules{"disk", "none|zstd", "size|label|filesystem|subvolume"},
    ImageRules{"qcow2", "zstd|gzip|none", "size|label|filesystem|subvolume"},
    ImageRules{"tar", "none", ""},
    ImageRules{"dir", "none", ""},
};

}  // namespace

const ImageRules& image_rules(std::string_view format) {
  const auto* rules = std::find_if(kRules.begin(), kRules.end(),
                                   [&](const ImageRules& each) { return each.format == format; });
  check(rules != kRules.end(), "a format of the manifest has rules");
  return *rules;
}

std::vector<std::string> compressions_of(std::string_view format) {
  return split(std::string(image_rules(format).compressions), '|');
}

void settle_compression(ImageSpec& image) {
  const std::vector<std::string> known = compressions_of(image.format);
  if (std::find(known.begin(), known.end(), image.compression) == known.end())
    image.compression = known.front();
}

bool is_disk(std::string_view format) {
  return format == "disk" || format == "qcow2";
}

}  // namespace alephc
