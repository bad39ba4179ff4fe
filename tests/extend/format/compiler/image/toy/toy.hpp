// SPDX-License-Identifier: MIT
#pragma once

#include "image/image_format.hpp"

namespace alephc {

/// A head, the listing's text and the contents one after the other: for the test that adds a format.
[[nodiscard]] const ImageFormat& toy_format();

}  // namespace alephc
