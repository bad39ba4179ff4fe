// SPDX-License-Identifier: MIT
#pragma once

namespace alephc {

/// "1.2.3", that of CMakeLists.txt.
[[nodiscard]] const char* version();

}  // namespace alephc
