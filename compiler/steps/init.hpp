// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

struct GuestInput {
  static constexpr std::string_view kMembers = "name sha256";
  std::string name{};
  Digest sha256{};
};

struct PluginInput {
  static constexpr std::string_view kMembers = "name exec file at";
  Label name{};
  std::vector<std::string> exec{};  ///< a program of the image; empty: the first file is the plugin
  std::vector<InputFile> files{};   ///< the plugin, then what it needs
  SourceSpan at{};
};

struct ServiceInput {
  static constexpr std::string_view kMembers = "name program at";
  Label name{};
  std::string program{};
  SourceSpan at{};
};

/// The init or, beside the distribution's own, the agent, and what it reads.
struct InitInput {
  static constexpr std::string_view kMembers = "with_distro settings user sshd guest plugin service sdk_plugins init0_plugin at";
  bool with_distro = false;
  std::string settings{};  ///< JSON
  std::string user{};
  bool sshd = false;
  std::vector<GuestInput> guest_files{};
  std::vector<PluginInput> plugins{};
  std::vector<ServiceInput> services{};
  std::vector<InputFile> sdk_plugins{};   ///< none or one
  std::vector<InputFile> init0_plugin{};  ///< none or one
  SourceSpan at{};
};

/// Where a plugin of the project stands in the image.
[[nodiscard]] std::string plugin_path(const std::string& name);

[[nodiscard]] Step init_step(StepName name, InitInput input);

}  // namespace alephc
