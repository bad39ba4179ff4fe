// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

namespace alephc {

/// A file of ours that goes into images; part of the alephc binary.
struct GuestFile {
  std::string_view name;
  std::string_view bytes;
};

/// aleph-init, and the Python files beside it. Images name them by hash in their lock.
[[nodiscard]] std::span<const GuestFile> guest_files();

/// The first program of the little system that starts a virtual machine for `alephc run`; in no image.
[[nodiscard]] std::string_view boot_program();

/// The HTTP server that `alephc conform` runs in a machine.
[[nodiscard]] std::string_view probe_program();

/// PID 1 of the sandbox (compiler/room/main.cpp); in no image and in no key.
[[nodiscard]] std::string_view room_program();

/// Libraries to load before the programs of a build step: a clock 400 days ahead; folders listed backwards.
[[nodiscard]] std::string_view clock_library();
[[nodiscard]] std::string_view order_library();

}  // namespace alephc
