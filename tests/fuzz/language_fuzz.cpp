// SPDX-License-Identifier: MIT
// Other tools' lock files, a package index's page, a package-lock.json: all of them somebody else's bytes.
#include <cstdint>
#include <string>

#include "base/diagnostic.hpp"
#include "language/npm/package_lock.hpp"
#include "language/python/lock_file.hpp"
#include "language/python/package_index.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc;
  const std::string text(reinterpret_cast<const char*>(data), size);
  static Reporter reporter(Verbosity::quiet, ColorMode::never, true);
  try {
    (void)read_python_lock("lock", text);
  } catch (const Error&) {
  }
  try {
    (void)read_package_lock("lock", text, {.cpu = "x64", .libc = "glibc"}, &reporter);
  } catch (const Error&) {
  }
  for (const auto& [file, url] : links_of(text, "https://index.example/simple/x/")) {
    LockedWheel wheel;
    (void)read_wheel_name(file, wheel);
  }
  return 0;
}
