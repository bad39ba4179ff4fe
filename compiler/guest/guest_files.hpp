// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

#include "base/digest.hpp"

namespace alephc {

/// A file of ours that goes into images; part of the alephc binary.
struct GuestFile {
  std::string_view name{};
  Digest sha256{};
  std::string_view bytes{};  ///< empty: this alephc has only its source (init_source.hpp)
};

/// What new locks name: aleph-init, and the Python files beside it.
[[nodiscard]] std::span<const GuestFile> guest_files();

/// The init that was compiled along with this alephc, released or not.
[[nodiscard]] const GuestFile& compiled_init();

/// The first program of the little system that starts a virtual machine for `alephc run`; in no image.
[[nodiscard]] std::string_view boot_program();

/// The HTTP server that `alephc conform` runs in a machine.
[[nodiscard]] std::string_view probe_program();

/// PID 1 of the sandbox (compiler/room/main.cpp); in no image and in no key.
[[nodiscard]] std::string_view room_program();

/// Libraries to load before the programs of a build step: folders listed in byte order, or backwards; a clock 400 days
/// ahead; and what 32-bit programs load in place of each, an empty one.
[[nodiscard]] std::string_view order_library();
[[nodiscard]] std::string_view backwards_library();
[[nodiscard]] std::string_view clock_library();
[[nodiscard]] std::string_view other_word_size_library();

}  // namespace alephc
