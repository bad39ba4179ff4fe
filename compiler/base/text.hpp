// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alephc {

[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);  ///< keeps empty parts
[[nodiscard]] std::vector<std::string> split_words(std::string_view text);            ///< on white space
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);
/// For a terminal: control characters as '?', so that a name from an image can forge no line.
[[nodiscard]] std::string printable(std::string_view text);
/// The same for several lines: their ends and tabs stay.
[[nodiscard]] std::string printable_lines(std::string_view text);

/// Decimal, whole input consumed, no sign for unsigned.
[[nodiscard]] std::optional<std::uint64_t> parse_unsigned(std::string_view text);
/// "0755" or "755": octal digits only, at most 07777.
[[nodiscard]] std::optional<std::uint32_t> parse_mode(std::string_view text);
/// "120M", "1G", "4096", "128KiB": bytes, powers of 1024.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

[[nodiscard]] std::string human_size(std::uint64_t bytes);  ///< "118.3 MB", powers of 1000
[[nodiscard]] std::string octal(std::uint32_t mode);        ///< "0755"

/// The candidate with the smallest edit distance to word, if it is near enough to be a typing error.
[[nodiscard]] std::optional<std::string> closest_match(std::string_view word,
                                                       const std::vector<std::string>& candidates);
/// "did you mean 'x'?" or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// "%41" → "A"; a '%' that begins no such group stays.
[[nodiscard]] std::string percent_decoded(std::string_view text);

/// Seconds → "20260711T100433Z".
[[nodiscard]] std::string compact_date(std::int64_t seconds);
/// Seconds → "2026-07-11 10:04 UTC".
[[nodiscard]] std::string readable_date(std::int64_t seconds);

}  // namespace alephc
