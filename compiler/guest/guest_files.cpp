// SPDX-License-Identifier: MIT
#include "guest/guest_files.hpp"

#include <array>

#include "guest/include_file.hpp"
#include "guest/init_source.hpp"

// NOLINTBEGIN: see include_file.hpp
ALEPHC_INCLUDE(init, ALEPHC_INIT_FILE);
ALEPHC_INCLUDE(boot, ALEPHC_BOOT_FILE);
ALEPHC_INCLUDE(probe, ALEPHC_PROBE_FILE);
ALEPHC_INCLUDE(room, ALEPHC_ROOM_FILE);
ALEPHC_INCLUDE(clock, ALEPHC_CLOCK_FILE);
ALEPHC_INCLUDE(order, ALEPHC_ORDER_FILE);
ALEPHC_INCLUDE(backwards, ALEPHC_BACKWARDS_FILE);
ALEPHC_INCLUDE(other_word_size, ALEPHC_OTHER_WORD_SIZE_FILE);
ALEPHC_INCLUDE(worker, ALEPHC_INIT_FOLDER "/asgi_worker.py");
ALEPHC_INCLUDE(sdk, ALEPHC_INIT_FOLDER "/sdk_plugins.py");
ALEPHC_INCLUDE(types, ALEPHC_INIT_FOLDER "/runtime_types.py");
// NOLINTEND

namespace alephc {
namespace {

GuestFile included(std::string_view name, std::string_view bytes) {
  return {.name = name, .sha256 = sha256(bytes), .bytes = bytes};
}

}  // namespace

const GuestFile& compiled_init() {
  static const GuestFile kInit = included("aleph-init", between(guest_init, guest_init_end));
  return kInit;
}

std::span<const GuestFile> guest_files() {
#ifdef ALEPHC_COMPILED_INIT
  const GuestFile& init = compiled_init();
#else
  const GuestFile init = init_to_lock(compiled_init(), released_init());
#endif
  static const std::array<GuestFile, 4> kFiles{
      {init, included("asgi_worker.py", between(guest_worker, guest_worker_end)),
       included("runtime_types.py", between(guest_types, guest_types_end)),
       included("sdk_plugins.py", between(guest_sdk, guest_sdk_end))}};
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

std::string_view backwards_library() {
  return between(guest_backwards, guest_backwards_end);
}

std::string_view other_word_size_library() {
  return between(guest_other_word_size, guest_other_word_size_end);
}

}  // namespace alephc
