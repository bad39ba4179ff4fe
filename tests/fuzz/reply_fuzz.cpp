// SPDX-License-Identifier: MIT
// What a guest says to the host: replies of its init; and what a program says to the init: HTTP.
#include <cstdint>
#include <string>

#include "init/errors.hpp"
#include "init/proxy.hpp"
#include "vm/node_session.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  (void)alephc::parse_reply(bytes);
  for (const bool is_head : {false, true})
    for (const bool at_end : {false, true}) {
      try {
        (void)aleph_init::http_response(bytes, is_head, at_end);
      } catch (const std::runtime_error&) {
        // Refused.
      } catch (const std::logic_error&) {
        // A number that is none, which closes the connection.
      }
    }
  return 0;
}
