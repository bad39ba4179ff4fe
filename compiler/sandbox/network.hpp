// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "base/fd.hpp"

namespace alephc {

/// A network namespace for one sandbox: a loopback device of its own, and by itself no way out. Sockets of the host
/// without a file (abstract ones) are out of reach too.
class PrivateNetwork {
 public:
  PrivateNetwork();
  ~PrivateNetwork();
  PrivateNetwork(const PrivateNetwork&) = delete;
  PrivateNetwork& operator=(const PrivateNetwork&) = delete;

  [[nodiscard]] int fd() const { return namespace_.get(); }  ///< for setns(2)

  /// A listening TCP socket on 127.0.0.1 inside, served from outside.
  struct Listener {
    UniqueFd socket;
    std::uint16_t port = 0;
  };
  [[nodiscard]] Listener listen() const;

  /// A way to the outside by slirp4netns, as from behind a router: not to the host's loopback addresses, not to
  /// link-local ones and the other addresses where clouds hand out credentials. Throws an Error of kind host where
  /// the program is missing.
  void connect_outside();

  /// resolv.conf for the inside, once there is a way out.
  static constexpr const char* kResolver = "nameserver 10.0.2.3\n";

 private:
  UniqueFd namespace_;
  pid_t router_ = -1;  ///< slirp4netns
  UniqueFd stop_;      ///< it ends when this is closed
};

}  // namespace alephc
