// SPDX-License-Identifier: MIT
#include "pipeline/overrides.hpp"

#include <algorithm>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "image/image_format.hpp"
#include "manifest/keys.hpp"

namespace alephc {
namespace {

/// A compression that was not chosen is that of the new format.
void set_format(ImageSpec& image, const std::string& format) {
  if (image.compression == compressions_of(image.format).front()) image.compression.clear();
  image.format = format;
  settle_compression(image);
}

}  // namespace

void apply_overrides(Manifest& manifest, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    const std::size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    const KeySpec* spec =
        key.starts_with("image.") ? find_key_spec(*find_table_spec("image"), key.substr(6)) : nullptr;
    if (equals == std::string::npos || spec == nullptr)
      throw Error(ErrorKind::usage, "--set takes image.KEY=VALUE, not '" + text + "'");
    const std::vector<std::string> names = choices_of(*spec);
    if (!names.empty() && std::find(names.begin(), names.end(), value) == names.end())
      throw Error(ErrorKind::usage, "unknown " + key + " '" + value + "'", "one of: " + join(names, ", "));
    const auto number = parse_size(value);
    if (key == "image.format")
      set_format(manifest.image, value);
    else if (key == "image.compression")
      manifest.image.compression = value;
    else if (key == "image.level" && number && *number <= 22)
      manifest.image.level = static_cast<std::uint32_t>(*number);
    else if (key == "image.block_size" && number && *number <= 1048576)
      manifest.image.block_size = static_cast<std::uint32_t>(*number);
    else if (key == "image.embed_recipe")
      manifest.image.embed_recipe = value == "true";
    else if (key == "image.verity")
      manifest.image.verity = value == "true";
    else if (key == "image.size" && number && *number > 0 && *number % (1U << 20U) == 0)
      manifest.image.size = *number;
    else if (key == "image.label" && !format_problem(spec->format, value))
      manifest.image.label = value;
    else if (key == "image.filesystem")
      manifest.image.filesystem = value;
    else if (key == "image.subvolume" && !format_problem(spec->format, value))
      manifest.image.subvolume = value;
    else
      throw Error(ErrorKind::usage, "'" + value + "' is not a value for " + key);
  }
}

}  // namespace alephc
