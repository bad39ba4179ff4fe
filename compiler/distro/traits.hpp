// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace alephc {

/// What others call the things of a distribution: names for messages, for registries and for bills of materials.
struct DistroTraits {
  std::string_view name{};                       ///< base.distro, and ID of os-release
  std::string_view libc = "glibc";               ///< as npm names it
  std::string_view pip_package = "python3-pip";  ///< brings pip to the target
  std::string_view kernel_package{};             ///< of virtual machines
  std::string_view purl_type = "deb";            ///< package-url's
  std::string_view purl_release_prefix{};        ///< of its qualifier "distro"
};

/// Those of a name that alephc does not know are Debian's.
[[nodiscard]] const DistroTraits& distro_traits(std::string_view name);

}  // namespace alephc
