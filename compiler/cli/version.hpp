// SPDX-License-Identifier: MIT
#pragma once

namespace alephc {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace alephc
