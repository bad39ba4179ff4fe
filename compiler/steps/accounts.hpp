// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace alephc {

struct OwnerIds {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// One line of /etc/passwd or /etc/group of a tree, split at ':'.
[[nodiscard]] std::vector<std::vector<std::string>> account_lines(const Tree& tree, const std::string& file);
/// The given fields of each line that has them, joined again: {0, 2} of /etc/group gives "name:gid".
[[nodiscard]] std::vector<std::string> account_fields(const Tree& tree, const std::string& file,
                                                      const std::vector<std::size_t>& wanted);
[[nodiscard]] std::optional<std::uint32_t> account_id(const Tree& tree, const std::string& file,
                                                      const std::string& name);

/// "user:group", names as the tree's accounts have them or numbers. Throws when there is no such account.
[[nodiscard]] OwnerIds owner_ids(const Tree& tree, const std::string& owner);

}  // namespace alephc
