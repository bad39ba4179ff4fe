// SPDX-License-Identifier: MIT
#include "image/tar/tar.hpp"

namespace alephc {

const ImageFormat& tar_format() {
  static const ImageFormat format{.name = "tar", .extension = ".tar", .write = write_tar};
  return format;
}

}  // namespace alephc
