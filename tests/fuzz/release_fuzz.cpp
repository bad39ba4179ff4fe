// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "distro/debian/release.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto release = alephc::debian::parse_release({reinterpret_cast<const char*>(data), size});
    (void)alephc::compact_date(release.date);
  } catch (const alephc::Error& error) {
    if (error.kind() == alephc::ErrorKind::bug) __builtin_trap();
  }
  return 0;
}
