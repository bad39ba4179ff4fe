// SPDX-License-Identifier: MIT
#include "image/filesystem_image.hpp"

#include "base/diagnostic.hpp"

namespace alephc {
namespace {

std::string mebibytes(std::uint64_t bytes) {
  constexpr std::uint64_t kMiB = 1U << 20U;
  return std::to_string((bytes + kMiB - 1) / kMiB) + "M";
}

}  // namespace

Uuid filesystem_uuid(const Digest& seed) {
  return derived_uuid(seed, "filesystem");
}

Error size_too_small(const FilesystemPlace& place, std::uint64_t needed) {
  return {ErrorKind::failed,
          "image.size = \"" + mebibytes(place.size.value_or(0) + place.around) +
              "\" is too small: the tree needs " + mebibytes(needed + place.around),
          "leave 'size' out to have it chosen, or make it larger"};
}

}  // namespace alephc
