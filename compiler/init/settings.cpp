// SPDX-License-Identifier: MIT
#include "init/settings.hpp"

#include "init/errors.hpp"
#include "init/message.hpp"

namespace aleph_init {

Settings parse_settings(const std::string& json) {
  Settings settings;
  if (json.empty()) return settings;
  try {
    const Json root = Json::parse(json);
    settings.distro_init = root.value("distro_init", "");
    settings.sshd = root.value("sshd", false);
    settings.sdk_plugins = root.value("sdk_plugins", false);
    settings.init0_plugin = root.value("init0_plugin", false);
    settings.user = root.value("user", "");
    settings.workdir = root.value("workdir", "/");
    settings.python_optimize = root.value("python_optimize", 0);
    settings.env = root.value("env", settings.env);
    for (const Json& item : root.value("plugins", Json::array()))
      settings.plugins.push_back({item.at("name"), item.at("stage"), item.at("exec"),
                                  item.value("on_error", "fail") == "fail", item.value("timeout_ms", 5000L)});
    for (const Json& item : root.value("services", Json::array()))
      settings.services.push_back({item.at("name"), item.at("exec"),
                                   item.value("type", "daemon") == "oneshot",
                                   item.value("restart", "never") == "on-failure",
                                   item.value("env", std::map<std::string, std::string>{})});
  } catch (const Json::exception& error) {
    throw SetupError(std::string(kSettingsFile) + ": " + error.what());
  }
  return settings;
}

}  // namespace aleph_init
