// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace alephc {

/// What a child that reads bytes of strangers keeps.
struct Confinement {
  int memory_resource;   ///< RLIMIT_AS or RLIMIT_DATA
  std::uint64_t memory;  ///< bytes; not enforced under AddressSanitizer, which reserves terabytes
  bool threads = false;  ///< may start threads; new processes never
  bool ends_with_parent = false;  ///< is killed when the process that forked it ends
};

/// Gives up all rights of this process but to use what is open, allocate up to a bound and end; becomes nobody where it
/// is root. False where the kernel refuses: the process must end then, because some of its rights may be left.
[[nodiscard]] bool confine_process(const Confinement& confinement);

}  // namespace alephc
