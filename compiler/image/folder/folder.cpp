// SPDX-License-Identifier: MIT
#include "image/folder/folder.hpp"

namespace alephc {

const ImageFormat& folder_format() {
  static const ImageFormat format{.name = "dir", .is_folder = true, .write = write_folder};
  return format;
}

}  // namespace alephc
