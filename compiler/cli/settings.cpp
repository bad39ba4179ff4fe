// SPDX-License-Identifier: MIT
#include "cli/settings.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "manifest/value.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

fs::path user_folder(const char* variable, const char* fallback) {
  const std::string set = environment(variable);
  if (!set.empty()) return set;
  return home_folder() / fallback;
}

/// The user's configuration.
struct UserConfig {
  std::vector<std::string> mirrors{};
  std::string store{};
  unsigned jobs = 0;
  std::string key{};
  std::vector<std::string> apis{};
};

UserConfig read_config(const CommonOptions& options) {
  const fs::path file = options.config.empty()
                            ? user_folder("XDG_CONFIG_HOME", ".config") / "alephc/config.toml"
                            : fs::path(options.config);
  auto text = read_file_if_exists(file);
  if (!text) {
    if (!options.config.empty()) throw Error(ErrorKind::usage, "no such file: " + options.config);
    return {};
  }
  const auto source = std::make_shared<const SourceText>(SourceText{file.string(), std::move(*text)});
  const Value root = parse_toml(source);
  UserConfig config;
  DiagnosticList problems;
  const std::vector<std::string> known{"mirrors", "store", "jobs", "key", "api"};
  for (const auto& [key, value] : root.members) {
    if (key == "mirrors" && value.is(Value::Kind::array))
      for (const Value& item : value.items) config.mirrors.push_back(item.text);
    else if (key == "store" && value.is(Value::Kind::string))
      config.store = value.text;
    else if (key == "jobs" && value.is(Value::Kind::integer) && value.number > 0 && value.number < 1024)
      config.jobs = static_cast<unsigned>(value.number);
    else if (key == "key" && value.is(Value::Kind::string))
      config.key = value.text;
    else if (key == "api" && value.is(Value::Kind::string))
      config.apis = {value.text};
    else if (key == "api" && value.is(Value::Kind::array))
      for (const Value& item : value.items) config.apis.push_back(item.text);
    else
      problems.error("'" + key + "' is not a setting, or has the wrong type", value.key_at,
                     did_you_mean(key, known));
  }
  problems.stop_if_errors(ErrorKind::usage);
  return config;
}

}  // namespace

Settings make_settings(const CommonOptions& options) {
  const UserConfig config = read_config(options);
  Settings settings;
  settings.offline = options.offline;
  settings.mirrors.named = options.mirrors;
  if (settings.mirrors.named.empty()) settings.mirrors.named = split_words(environment("ALEPHC_MIRROR"));
  settings.mirrors.configured = config.mirrors;
  settings.apis = split_words(environment("ALEPH_API_HOST"));
  if (settings.apis.empty()) settings.apis = config.apis;
  settings.key = config.key;
  settings.apt = environment("ALEPHC_APT");
  std::string store = options.store;
  if (store.empty()) store = environment("ALEPHC_STORE");
  if (store.empty()) store = config.store;
  settings.store = store.empty() ? user_folder("XDG_CACHE_HOME", ".cache") / "alephc" : fs::path(store);
  settings.jobs = options.jobs != 0 ? options.jobs : config.jobs;
  if (settings.jobs == 0) settings.jobs = std::max(1U, std::thread::hardware_concurrency());
  return settings;
}

}  // namespace alephc
