// SPDX-License-Identifier: MIT
#include "base/dates.hpp"

#include <chrono>

#include "base/text.hpp"

namespace alephc {

std::string iso_time(std::int64_t seconds) {
  std::string text = compact_date(seconds);  // 20260711T100433Z
  for (const std::size_t at : {13U, 11U}) text.insert(at, ":");
  for (const std::size_t at : {6U, 4U}) text.insert(at, "-");
  return text;
}

std::string iso_day(std::int64_t seconds) {
  return iso_time(seconds).substr(0, 10);
}

std::optional<std::int64_t> start_of_day(std::uint64_t year, std::uint64_t month, std::uint64_t day) {
  if (year > 9999 || month > 12 || day > 31) return std::nullopt;  // what the types below can hold
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * kSecondsPerDay;
}

std::optional<std::int64_t> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = parse_unsigned(text.substr(0, 4));
  const auto month = parse_unsigned(text.substr(5, 2));
  const auto day = parse_unsigned(text.substr(8, 2));
  return year && month && day ? start_of_day(*year, *month, *day) : std::nullopt;
}

}  // namespace alephc
