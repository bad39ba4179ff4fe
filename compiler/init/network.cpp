// SPDX-License-Identifier: MIT
#include "init/network.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "init/errors.hpp"
#include "init/handle.hpp"

namespace aleph_init {
namespace {

constexpr unsigned kDefaultPrefix4 = 24;
constexpr unsigned kDefaultPrefix6 = 64;

struct Address {
  std::uint8_t family = AF_INET;
  std::array<std::uint8_t, 16> bytes{};
  unsigned prefix = 0;
  [[nodiscard]] std::size_t size() const { return family == AF_INET ? 4 : 16; }
};

Address parse_address(const std::string& text) {
  Address address;
  const std::size_t slash = text.find('/');
  const std::string host = text.substr(0, slash);
  address.family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const unsigned most = address.family == AF_INET ? 32 : 128;
  address.prefix = address.family == AF_INET ? kDefaultPrefix4 : kDefaultPrefix6;
  bool good = ::inet_pton(address.family, host.c_str(), address.bytes.data()) == 1;
  if (slash != std::string::npos) {
    const std::string prefix = text.substr(slash + 1);
    good = good && !prefix.empty() && prefix.size() <= 3 &&
           prefix.find_first_not_of("0123456789") == std::string::npos;
    if (good) address.prefix = static_cast<unsigned>(std::stoul(prefix));
  }
  if (!good || address.prefix > most) throw SetupError("network: '" + text + "' is not an address");
  return address;
}

/// One rtnetlink request; the answer of the kernel as errno.
class Request {
 public:
  template <typename Body>
  Request(std::uint16_t type, std::uint16_t flags, const Body& body) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    append(&header, sizeof header);
    append(&body, sizeof body);
  }

  Request& attribute(std::uint16_t type, const void* data, std::size_t size) {
    rtattr head{};
    head.rta_type = type;
    head.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
    append(&head, sizeof head);
    append(data, size);
    return *this;
  }

  int send() {
    auto* header = reinterpret_cast<nlmsghdr*>(bytes_.data());
    header->nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    const Handle socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket || ::send(socket.get(), bytes_.data(), bytes_.size(), 0) < 0) return errno;
    alignas(nlmsghdr) std::array<char, 4096> answer{};
    const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return EIO;
    if (reinterpret_cast<const nlmsghdr*>(answer.data())->nlmsg_type != NLMSG_ERROR) return EIO;
    return -reinterpret_cast<const nlmsgerr*>(answer.data() + NLMSG_HDRLEN)->error;
  }

 private:
  void append(const void* data, std::size_t size) {
    const auto* begin = static_cast<const char*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }

  std::vector<char> bytes_;
};

void must(int code, const std::string& doing) {
  if (code != 0 && code != EEXIST) throw os_error(doing, code);
}

int link_up(unsigned index) {
  ifinfomsg link{};
  link.ifi_family = AF_UNSPEC;
  link.ifi_index = static_cast<int>(index);
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  return Request(RTM_NEWLINK, 0, link).send();
}

int add_address(unsigned index, const Address& address, std::uint8_t scope) {
  ifaddrmsg body{};
  body.ifa_family = address.family;
  body.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix);
  body.ifa_scope = scope;
  body.ifa_index = index;
  // Without duplicate address detection, which would keep the address unusable for a second.
  if (address.family == AF_INET6) body.ifa_flags = IFA_F_NODAD;
  return Request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)
      .attribute(IFA_LOCAL, address.bytes.data(), address.size())
      .attribute(IFA_ADDRESS, address.bytes.data(), address.size())
      .send();
}

int add_default_route(unsigned index, const Address& gateway) {
  rtmsg route{};
  route.rtm_family = gateway.family;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_BOOT;
  route.rtm_scope = RT_SCOPE_UNIVERSE;
  route.rtm_type = RTN_UNICAST;
  return Request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route)
      .attribute(RTA_GATEWAY, gateway.bytes.data(), gateway.size())
      .attribute(RTA_OIF, &index, sizeof index)
      .send();
}

}  // namespace

void raise_loopback() {
  const unsigned index = ::if_nametoindex("lo");
  if (index == 0) return;
  (void)add_address(index, parse_address("127.0.0.1/8"), RT_SCOPE_HOST);
  (void)link_up(index);  // the kernel adds ::1 by itself
}

void set_up_network(const Configuration& configuration) {
  const unsigned index = ::if_nametoindex("eth0");
  if (index == 0) {
    log_line("no eth0");
    return;
  }
  try {
    write_file("/proc/sys/net/ipv6/conf/eth0/accept_ra", "0", 0644);
  } catch (const SetupError&) {
    // No IPv6 in this kernel.
  }
  for (const std::string* address : {&configuration.ip, &configuration.ipv6})
    if (!address->empty())
      must(add_address(index, parse_address(*address), RT_SCOPE_UNIVERSE),
           "give eth0 the address " + *address);
  if (!configuration.ip.empty() || !configuration.ipv6.empty()) must(link_up(index), "bring eth0 up");
  for (const std::string* gateway : {&configuration.route, &configuration.ipv6_gateway})
    if (!gateway->empty())
      must(add_default_route(index, parse_address(*gateway)), "route through " + *gateway);
}

void write_name_servers(const Configuration& configuration, const std::string& file) {
  if (configuration.dns_servers.empty()) return;
  std::string text;
  for (const std::string& server : configuration.dns_servers) text += "nameserver " + server + "\n";
  write_file(file, text, 0644);
}

}  // namespace aleph_init
