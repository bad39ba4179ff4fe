// SPDX-License-Identifier: MIT
#include "distro/accounts.hpp"

#include <optional>
#include <vector>

#include "base/text.hpp"

namespace alephc {

AccountIds account_ids(std::string_view text) {
  AccountIds ids;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    const auto id = fields.size() > 2 ? parse_unsigned(fields[2]) : std::nullopt;
    // The highest number is none: chown() takes it for "as it is".
    if (id && *id < UINT32_MAX) ids.try_emplace(fields[0], static_cast<std::uint32_t>(*id));
  }
  return ids;
}

std::uint32_t id_or_number(const AccountIds& ids, const std::string& name, std::uint32_t number) {
  const auto it = ids.find(name);
  return it == ids.end() ? number : it->second;
}

}  // namespace alephc
