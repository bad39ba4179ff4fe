// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "init/message.hpp"

namespace aleph_init {

struct Volume {
  std::string mount{};
  std::string device{};  ///< without /dev/
  bool read_only = false;
};

/// What the host says once a boot, in a V1 or V2 configuration
/// message (keys in any order, unknown ones ignored).
struct Configuration {
  std::string interface = "executable";  ///< or "asgi"
  std::string vm_hash{};
  std::string encoding = "plain";  ///< "zip", "squashfs"
  std::string entrypoint{};
  std::string code{};
  std::string input_data{};  ///< a zip archive; empty: none
  std::string ip{};          ///< with or without a prefix; empty: none
  std::string route{};
  std::string ipv6{};
  std::string ipv6_gateway{};
  std::vector<std::string> dns_servers{};  ///< without duplicates, at most three
  std::vector<Volume> volumes{};
  std::map<std::string, std::string> variables{};
  std::vector<std::string> authorized_keys{};
};

/// Throws SetupError that names the member whose type or value is wrong.
[[nodiscard]] Configuration parse_configuration(std::string_view message);

/// As the configuration message has them.
[[nodiscard]] Json volumes_map(const std::vector<Volume>& volumes);

/// A message that parse_configuration() reads back, without input data and without code that has been
/// unpacked: what an agent needs that takes over from one that died.
[[nodiscard]] std::string kept_configuration(const Configuration& configuration);

/// Base32 of the hash's 32 bytes in lower case, 52 characters: hex, or the digest inside a CIDv0. "aleph" for
/// anything else: no boot fails for its name.
[[nodiscard]] std::string hostname_of(const std::string& vm_hash);

/// Relative, without empty, "." and ".." parts.
[[nodiscard]] bool is_safe_entrypoint(const std::string& path);

}  // namespace aleph_init
