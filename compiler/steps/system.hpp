// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

struct UserInput {
  static constexpr std::string_view kMembers = "name uid groups shell home authorized_key";
  std::string name{};
  std::optional<std::uint32_t> uid{};  ///< empty: the first that is free
  std::vector<std::string> groups{};
  std::string shell{};
  std::string home{};
  std::vector<std::string> authorized_keys{};
};

/// [system] and [[user]], and the image's own package sources. Empty texts leave what the distribution has.
struct SystemInput {
  static constexpr std::string_view kMembers = "timezone locale hostname sources_path sources user";
  std::string timezone{};
  std::string locale{};
  std::string hostname{};
  std::string sources_path{};
  std::string sources{};
  std::vector<UserInput> users{};
};

[[nodiscard]] Step system_step(StepName name, SystemInput input);

}  // namespace alephc
