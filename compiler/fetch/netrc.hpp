// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

namespace alephc {

struct Login {
  std::string user{};
  std::string password{};
};

/// What a .netrc has for a host: the first machine of that name, else its default. Macros are passed over. (The GNU
/// Inetutils manual, "The .netrc file")
[[nodiscard]] std::optional<Login> netrc_login(const std::string& text, const std::string& host);

}  // namespace alephc
