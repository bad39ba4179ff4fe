// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "distro/distro.hpp"

namespace alephc {

/// Asks the addresses in order for a signed text, until accept() takes one. A mirror whose text it refuses
/// with an integrity Error is passed over; that Error is thrown if no other has a good one. nullopt, with why
/// in asked, if none has the text.
[[nodiscard]] std::optional<std::string> fetch_signed(const std::vector<std::string>& urls,
                                                      std::uint64_t limit, const Fetcher& fetcher,
                                                      const std::function<void(const std::string&)>& accept,
                                                      std::vector<std::string>& asked);

/// Throws an integrity Error if the lock has the repository as of a later date than is offered now. what:
/// "Release of debian/bookworm"; ways_out: appended to the hint.
void refuse_older(const std::string& what, const LockedRepository& offered, const Lock* previous,
                  const std::string& ways_out = {});

/// Throws an integrity Error for an index of the future, after which every later one would be an older one. As apt, ten
/// seconds are let pass. what: as above; times in seconds.
void refuse_future(const std::string& what, std::int64_t date, std::int64_t now);

/// The signed index as it was at lock time: from the store, or from whoever still has those bytes; nullopt if
/// no server in reach has, because mirrors move on.
[[nodiscard]] std::optional<std::string> read_locked_index(const LockedRepository& repository,
                                                           const std::vector<std::string>& urls,
                                                           const ToolBox& tools);

/// Packages of the lock that come from a repository ("debian/bookworm").
[[nodiscard]] std::vector<const LockedPackage*> packages_from(const std::string& repository,
                                                              const Lock& lock);

/// Throws an integrity Error if the proof's signer is not the lock's.
void check_signer(const IndexProof& proof, const LockedRepository& repository);

/// Adds the address of a mirror, once, without slashes at its end.
void add_address(std::vector<std::string>& addresses, std::string address);

}  // namespace alephc
