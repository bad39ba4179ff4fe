// SPDX-License-Identifier: MIT
#include "steps/pip.hpp"

namespace alephc {

std::map<std::string, std::string> pip_environment() {
  return {{"PIP_CONFIG_FILE", "/dev/null"},
          {"PIP_DISABLE_PIP_VERSION_CHECK", "1"},
          {"PIP_NO_CACHE_DIR", "1"},
          {"PIP_NO_INPUT", "1"},
          {"PIP_PROGRESS_BAR", "off"},
          {"PIP_ROOT_USER_ACTION", "ignore"},
          {"PIP_NO_WARN_SCRIPT_LOCATION", "1"},
          {"PIP_NO_COLOR", "1"},
          // The proxy answers when a file is whole; its own limits end what stalls.
          {"PIP_DEFAULT_TIMEOUT", "86400"},
          {"PYTHONDONTWRITEBYTECODE", "1"}};
}

std::vector<std::string> pip_command(const std::string& command, const std::vector<std::string>& words) {
  std::vector<std::string> argv{"python3", "-m", "pip", command};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

}  // namespace alephc
