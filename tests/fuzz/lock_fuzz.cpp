// SPDX-License-Identifier: MIT
#include <cstdint>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "lock/lock_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc;
  const std::string body(reinterpret_cast<const char*>(data), size);
  if (!is_utf8(body)) return 0;
  // With the right digest, or the parser behind it would never be reached.
  try {
    (void)parse_lock("fuzz", "lock = 1\ndigest = \"" + sha256(body).hex() + "\"\n" + body);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::bug) __builtin_trap();
  }
  return 0;
}
