// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace alephc {

/// Ids of accounts by name, of the text of an /etc/passwd or /etc/group: "name:password:id:…". The first of a name counts; lines
/// without a usable id are passed over.
using AccountIds = std::map<std::string, std::uint32_t>;
[[nodiscard]] AccountIds account_ids(std::string_view text);

/// The id of an account that an archive names, else the number that the archive has.
[[nodiscard]] std::uint32_t id_or_number(const AccountIds& ids, const std::string& name,
                                         std::uint32_t number);

}  // namespace alephc
