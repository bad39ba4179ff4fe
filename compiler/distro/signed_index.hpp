// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fetch/fetcher.hpp"
#include "lock/lock.hpp"

namespace alephc {

/// Asks the addresses in order for a signed text, until accept() takes one. A mirror whose text it refuses
/// with an integrity Error is passed over; that Error is thrown if no other has a good one. nullopt, with why
/// in asked, if nobody has the text.
[[nodiscard]] std::optional<std::string> fetch_signed(const std::vector<std::string>& urls,
                                                      std::uint64_t limit, const Fetcher& fetcher,
                                                      const std::function<void(const std::string&)>& accept,
                                                      std::vector<std::string>& asked);

/// Throws an integrity Error if the lock has the repository as of a later date than is offered now. what:
/// "Release of debian/bookworm".
void refuse_older(const std::string& what, const LockedRepository& offered, const Lock* previous);

}  // namespace alephc
