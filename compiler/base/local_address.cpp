// SPDX-License-Identifier: MIT
#include "base/local_address.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace alephc {
namespace {

struct Network {
  std::uint32_t address;
  unsigned bits;
};

// Amazon, Google and most others; Alibaba, Oracle and Azure.
constexpr std::array kMetadata{Network{0xa9fe0000, 16}, Network{0x646464c8, 32}, Network{0xc00000c0, 32},
                               Network{0xa83f8110, 32}};
constexpr std::array kLocal{Network{0x00000000, 8},  Network{0x0a000000, 8},  Network{0x64400000, 10},
                            Network{0x7f000000, 8},  Network{0xac100000, 12}, Network{0xc0000000, 24},
                            Network{0xc0a80000, 16}, Network{0xe0000000, 3}};

bool is_in(std::uint32_t address, std::span<const Network> networks) {
  return std::any_of(networks.begin(), networks.end(), [&](const Network& network) {
    return (address ^ network.address) >> (32 - network.bits) == 0;
  });
}

using Bytes = std::array<std::uint8_t, 16>;

std::uint32_t v4_at(const Bytes& bytes, std::size_t at) {
  return (std::uint32_t{bytes[at]} << 24U) | (std::uint32_t{bytes[at + 1]} << 16U) |
         (std::uint32_t{bytes[at + 2]} << 8U) | bytes[at + 3];
}

bool has_prefix(const Bytes& bytes, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

/// The IPv4 address that an IPv6 address stands for: mapped, NAT64 (RFC 6052) or 6to4 (RFC 3056).
std::optional<std::uint32_t> embedded_v4(const Bytes& bytes) {
  if (has_prefix(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) ||
      has_prefix(bytes, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}))
    return v4_at(bytes, 12);
  if (has_prefix(bytes, {0x20, 0x02})) return v4_at(bytes, 2);
  return std::nullopt;
}

std::optional<std::uint32_t> v4_of(const sockaddr& address) {
  if (address.sa_family != AF_INET) return std::nullopt;
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return ntohl(v4.sin_addr.s_addr);
}

Bytes v6_of(const sockaddr& address) {
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof v6);
  Bytes bytes{};
  std::memcpy(bytes.data(), v6.sin6_addr.s6_addr, bytes.size());
  return bytes;
}

bool is_link_local(const Bytes& bytes) {
  return bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80;
}

}  // namespace

bool is_metadata_address(const sockaddr& address) {
  if (const auto v4 = v4_of(address)) return is_in(*v4, kMetadata);
  if (address.sa_family != AF_INET6) return false;
  const Bytes bytes = v6_of(address);
  if (const auto v4 = embedded_v4(bytes)) return is_in(*v4, kMetadata);
  return is_link_local(bytes) || has_prefix(bytes, {0xfd, 0x00, 0x0e, 0xc2});  // Amazon: fd00:ec2::254
}

bool is_local_address(const sockaddr& address) {
  if (is_metadata_address(address)) return true;
  if (const auto v4 = v4_of(address)) return is_in(*v4, kLocal);
  if (address.sa_family != AF_INET6) return false;
  const Bytes bytes = v6_of(address);
  if (const auto v4 = embedded_v4(bytes)) return is_in(*v4, kLocal);
  // ::, ::1, and what else has no network; private; multicast.
  const bool is_site_local = bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0xc0;
  return has_prefix(bytes, {0, 0, 0, 0, 0, 0, 0, 0}) || is_site_local || (bytes[0] & 0xfeU) == 0xfc || bytes[0] == 0xff;
}

bool is_local_address(const std::string& text) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1)
    return is_local_address(reinterpret_cast<const sockaddr&>(v4));
  return ::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1 &&
         is_local_address(reinterpret_cast<const sockaddr&>(v6));
}

}  // namespace alephc
