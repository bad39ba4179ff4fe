// SPDX-License-Identifier: MIT
// Messages as any node may send them.
#include <cstdint>
#include <string>

#include "base/diagnostic.hpp"
#include "message/store_message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc;
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    (void)parse_store_message("message", text);
  } catch (const Error&) {
  }
  // What follows a good hash and signature is as unknown.
  for (const char* type : {"STORE", "PROGRAM", "INSTANCE"}) {
    try {
      const Message message{.type = type, .item_hash = "x", .content = text};
      if (message.type == "STORE")
        (void)as_store_message(message);
      else
        (void)runtime_of(message);
    } catch (const Error&) {
    }
  }
  return 0;
}
