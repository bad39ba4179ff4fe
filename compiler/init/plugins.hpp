// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <string>

#include <sys/types.h>

#include "init/configuration.hpp"
#include "init/handle.hpp"
#include "init/settings.hpp"

namespace aleph_init {

using Environment = std::map<std::string, std::string>;

/// Runs the plugins of a stage in manifest order: JSON of the configuration on stdin (code and input data as
/// sizes), an RFC 7396 merge patch of variables, volumes and dns_servers on stdout, at most 1 MiB. A plugin
/// that fails, takes too long or answers something else throws SetupError, or with on_error = "warn" is
/// logged and passed over.
class Plugins {
 public:
  Plugins(const Settings& settings, std::string root);
  ~Plugins();

  void run(const std::string& stage, Configuration& configuration, const Environment& env);
  /// The SDK's interpreter is needed for the set-up only.
  void end_sdk();

 private:
  void run_one(const PluginSettings& plugin, Configuration& configuration, const Environment& env);
  void run_sdk(const std::string& stage, Configuration& configuration, const Environment& env);
  void start_sdk(const Environment& env);

  const Settings& settings_;
  std::string root_;
  pid_t sdk_ = -1;  ///< lives through all stages: the SDK's plugins share one interpreter
  Handle to_sdk_;
  Handle from_sdk_;
};

/// What a plugin gets on stdin; one line.
[[nodiscard]] std::string plugin_input(const std::string& stage, const Configuration& configuration);
/// Applies what it said; throws SetupError.
void apply_patch(const std::string& patch, Configuration& configuration);

}  // namespace aleph_init
