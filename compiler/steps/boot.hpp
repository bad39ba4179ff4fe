// SPDX-License-Identifier: MIT
#pragma once

#include "steps/step.hpp"

namespace alephc {

/// What starts a disk: GRUB's menu, fstab.
struct BootInput {
  static constexpr std::string_view kMembers =
      "seed arch filesystem subvolume cmdline bios uefi kernel_package kernel_at";
  Digest seed{};  ///< UUIDs are derived from it
  std::string arch{};
  std::string filesystem{};
  std::string subvolume{};
  std::string cmdline{};
  bool bios = false;
  bool uefi = false;
  std::string kernel_package{};  ///< that the distribution has for virtual machines; for messages
  SourceSpan kernel_at{};
};

[[nodiscard]] Step boot_step(StepName name, BootInput input);
/// GRUB's cores, made by the image's own grub-mkimage behind the step above.
[[nodiscard]] Step boot_loader_step(StepName name, const BootInput& input);

}  // namespace alephc
