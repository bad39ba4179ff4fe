// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <sys/socket.h>

namespace alephc {

/// An address that only this machine and its cloud answer on, and at which clouds hand out credentials: link-local ones
/// (RFC 3927, RFC 4291) and the metadata services that are elsewhere. Nothing that strangers name is fetched from there.
[[nodiscard]] bool is_metadata_address(const sockaddr& address);

/// An address of this machine or its network: loopback, private (RFC 1918, RFC 4193), shared (RFC 6598), link-local,
/// reserved, or one that leads to such an address of IPv4.
[[nodiscard]] bool is_local_address(const sockaddr& address);
/// The same of "127.0.0.1" or "::1"; false for what is not an address.
[[nodiscard]] bool is_local_address(const std::string& text);

}  // namespace alephc
