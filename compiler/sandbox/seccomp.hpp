// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <linux/filter.h>

namespace alephc {

/// What the filter does with a system call.
enum class CallRule : std::uint8_t {
  unknown,    ///< ENOSYS, as an older kernel answers: callers fall back
  allowed,    ///<
  denied,     ///< EPERM
  succeeds,   ///< nothing happens, 0 is returned: sync and its family
  clone,      ///< allowed without flags for new namespaces, else EPERM; so is unshare
  socket,     ///< UNIX, INET, INET6 and NETLINK_ROUTE, else EAFNOSUPPORT
  socketpair, ///< UNIX, else EAFNOSUPPORT
  ioctl,      ///< all but those that type into a terminal, which are EPERM
  personality ///< 32 bit, an old uname and no address randomization, else EPERM
};

/// A call in the table of seccomp_calls.cpp, by the kernel's name. Calls that are not in it are unknown.
struct NamedCall {
  std::string_view name;
  CallRule rule;
};
[[nodiscard]] const std::vector<NamedCall>& named_calls();

/// The filter for seccomp(2) on this machine: its own calls and those of its 32-bit programs. Every other kind of
/// call, x32 among them, is unknown. Pure: the same bytes each time.
[[nodiscard]] std::vector<sock_filter> seccomp_program();

}  // namespace alephc
