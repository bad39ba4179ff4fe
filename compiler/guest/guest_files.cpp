// SPDX-License-Identifier: MIT
#include "guest/guest_files.hpp"

#include <array>

// NOLINTBEGIN: the assembler includes the files; C++20 has no way of its own.
#define ALEPHC_INCLUDE(name, path)                                                                  \
  asm(".pushsection .rodata\n.balign 16\n.globl guest_" #name "\nguest_" #name ":\n.incbin \"" path \
      "\"\n.globl guest_" #name "_end\nguest_" #name "_end:\n.byte 0\n.popsection\n");              \
  extern "C" const char guest_##name[];                                                             \
  extern "C" const char guest_##name##_end[]

ALEPHC_INCLUDE(init, ALEPHC_INIT_FILE);
ALEPHC_INCLUDE(boot, ALEPHC_BOOT_FILE);
ALEPHC_INCLUDE(probe, ALEPHC_PROBE_FILE);
ALEPHC_INCLUDE(room, ALEPHC_ROOM_FILE);
ALEPHC_INCLUDE(clock, ALEPHC_CLOCK_FILE);
ALEPHC_INCLUDE(order, ALEPHC_ORDER_FILE);
ALEPHC_INCLUDE(worker, ALEPHC_INIT_FOLDER "/asgi_worker.py");
ALEPHC_INCLUDE(sdk, ALEPHC_INIT_FOLDER "/sdk_plugins.py");
ALEPHC_INCLUDE(types, ALEPHC_INIT_FOLDER "/runtime_types.py");
// NOLINTEND

namespace alephc {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

std::span<const GuestFile> guest_files() {
  static const std::array<GuestFile, 4> kFiles{{{"aleph-init", between(guest_init, guest_init_end)},
                                                {"asgi_worker.py", between(guest_worker, guest_worker_end)},
                                                {"runtime_types.py", between(guest_types, guest_types_end)},
                                                {"sdk_plugins.py", between(guest_sdk, guest_sdk_end)}}};
  return kFiles;
}

std::string_view boot_program() {
  return between(guest_boot, guest_boot_end);
}

std::string_view probe_program() {
  return between(guest_probe, guest_probe_end);
}

std::string_view room_program() {
  return between(guest_room, guest_room_end);
}

std::string_view clock_library() {
  return between(guest_clock, guest_clock_end);
}

std::string_view order_library() {
  return between(guest_order, guest_order_end);
}

}  // namespace alephc
