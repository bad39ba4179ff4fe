// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string_view>

#include "base/diagnostic.hpp"
#include "distro/alpine/database.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc::alpine;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const std::string again = installed_text(parse_installed(text));
    if (installed_text(parse_installed(again)) != again) __builtin_trap();
  } catch (const alephc::Error&) {
    // Refused.
  }
  try {
    (void)scripts_tar(parse_scripts_tar(text));
  } catch (const alephc::Error&) {
    // Refused.
  }
  return 0;
}
