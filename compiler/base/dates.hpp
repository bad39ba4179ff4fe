// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace alephc {

/// Seconds → "2026-07-11T10:04:33Z".
[[nodiscard]] std::string iso_time(std::int64_t seconds);
/// Seconds → "2026-07-11", the day in UTC.
[[nodiscard]] std::string iso_day(std::int64_t seconds);
/// When a day begins in UTC, in seconds. Returns nothing for a day that the calendar does not have.
[[nodiscard]] std::optional<std::int64_t> start_of_day(std::uint64_t year, std::uint64_t month, std::uint64_t day);
/// The same for "2026-07-11".
[[nodiscard]] std::optional<std::int64_t> parse_day(std::string_view text);

inline constexpr std::int64_t kSecondsPerDay = 86400;

}  // namespace alephc
