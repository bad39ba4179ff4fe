// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

namespace aleph_init {

struct PluginSettings {
  std::string name{};
  std::string stage{};
  std::vector<std::string> exec{};
  bool fail = true;  ///< on_error
  long timeout_ms = 5000;
};

struct ServiceSettings {
  std::string name{};
  std::vector<std::string> exec{};
  bool oneshot = false;
  bool restart = false;  ///< on failure
  std::map<std::string, std::string> env{};
};

/// What the image's recipe says about the init: /usr/lib/aleph/init.json, written by `alephc build`.
struct Settings {
  std::string
      distro_init{};  ///< another init that PID 1 becomes once the root is writable; the agent is its unit
  bool sshd = false;
  bool sdk_plugins = false;   ///< /root/custom_plugins.py of the runtime SDK
  bool init0_plugin = false;  ///< /root/init0_plugin.sh
  std::string user{};         ///< of the program
  int python_optimize = 0;    ///< level that the ASGI worker runs at
  std::string workdir = "/";
  std::map<std::string, std::string> env{};
  std::vector<PluginSettings> plugins{};
  std::vector<ServiceSettings> services{};
};

inline constexpr const char* kSettingsFile = "/usr/lib/aleph/init.json";

/// Defaults for an absent file; throws SetupError for a broken one.
[[nodiscard]] Settings parse_settings(const std::string& json);

}  // namespace aleph_init
