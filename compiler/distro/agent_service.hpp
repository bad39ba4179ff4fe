// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace alephc {

/// A file, or a symlink, that a service manager reads.
struct ServiceFile {
  std::string path{};
  std::string content{};
  std::uint32_t mode = 0644;
  std::string link_target{};  ///< of a symlink; else empty
};

/// The init's agent as a service that starts at boot, as the distributions' service managers have it.
[[nodiscard]] std::vector<ServiceFile> agent_of_systemd();
[[nodiscard]] std::vector<ServiceFile> agent_of_openrc();

}  // namespace alephc
