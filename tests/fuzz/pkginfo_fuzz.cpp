// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string_view>

#include "base/diagnostic.hpp"
#include "distro/alpine/package.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc::alpine;
  try {
    const PackageInfo info = parse_package_info({reinterpret_cast<const char*>(data), size});
    // What it says can stand in an index.
    const std::string text = index_entry(info, identity_of(std::string(20, 'x')), info.arch, size + 1);
    PackageIndex index(info.arch);
    index.add(text, 0);
    if (index.packages().size() != 1 || index.packages()[0].name != info.name) __builtin_trap();
  } catch (const alephc::Error&) {
    // Refused.
  }
  return 0;
}
