// SPDX-License-Identifier: MIT
#include "distro/alpine/version.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace alephc::alpine {
namespace {

/// Kinds of tokens; where two versions go on with different kinds, the later kind makes the smaller version.
enum class Kind : std::uint8_t {
  later_number,
  number,
  letter,
  suffix,
  suffix_number,
  revision,
  end,
  invalid
};

struct Token {
  Kind kind = Kind::end;
  std::int64_t value = 0;
};

constexpr std::array<std::string_view, 4> kBefore{"alpha", "beta", "pre", "rc"};
constexpr std::array<std::string_view, 5> kAfter{"cvs", "svn", "git", "hg", "p"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Takes a version apart, one token at a time.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {
    if (rest_.empty() || !is_digit(rest_[0]))
      token_.kind = Kind::invalid;
    else
      token_ = {Kind::number, take_number()};
  }

  [[nodiscard]] const Token& token() const { return token_; }

  void advance() {
    const Kind before = token_.kind;
    if (before == Kind::end || before == Kind::invalid) return;
    if (after_zeros_) {
      after_zeros_ = false;
      token_ = {Kind::number, take_number()};
      return;
    }
    token_ = {Kind::invalid, 0};
    if (rest_.empty()) {
      token_.kind = Kind::end;
      return;
    }
    const char c = rest_[0];
    const bool in_numbers = before == Kind::number || before == Kind::later_number;
    if (in_numbers && c >= 'a' && c <= 'z') {
      token_ = {Kind::letter, c};
      rest_.remove_prefix(1);
    } else if (before == Kind::letter && is_digit(c)) {
      token_ = {Kind::number, take_number()};
    } else if (before == Kind::suffix && is_digit(c)) {
      token_ = {Kind::suffix_number, take_number()};
    } else if (c == '.' && in_numbers) {
      take_later_number();
    } else if (c == '_' && before < Kind::revision) {
      take_suffix();
    } else if (rest_.starts_with("-r") && before < Kind::revision) {
      rest_.remove_prefix(2);
      if (!rest_.empty() && is_digit(rest_[0])) token_ = {Kind::revision, take_number()};
    }
  }

 private:
  std::int64_t take_number() {
    std::int64_t value = 0;
    for (; !rest_.empty() && is_digit(rest_[0]); rest_.remove_prefix(1)) {
      constexpr std::int64_t kMost = (std::numeric_limits<std::int64_t>::max() - 9) / 10;
      value = std::min(value, kMost) * 10 + (rest_[0] - '0');
    }
    return value;
  }

  /// One after a point. Leading zeros come first, as a token of their own: the more, the smaller.
  void take_later_number() {
    rest_.remove_prefix(1);
    if (rest_.empty() || !is_digit(rest_[0])) return;
    if (rest_[0] != '0') {
      token_ = {Kind::later_number, take_number()};
      return;
    }
    const std::size_t zeros = std::min(rest_.find_first_not_of('0'), rest_.size());
    rest_.remove_prefix(zeros);
    token_ = {Kind::later_number, -static_cast<std::int64_t>(zeros)};
    after_zeros_ = true;
  }

  void take_suffix() {
    rest_.remove_prefix(1);
    const auto value_in = [&](const auto& names) {
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (!rest_.starts_with(names[i])) continue;
        rest_.remove_prefix(names[i].size());
        return static_cast<std::int64_t>(i);
      }
      return std::int64_t{-1};
    };
    if (const std::int64_t i = value_in(kBefore); i >= 0)
      token_ = {Kind::suffix, i - static_cast<std::int64_t>(kBefore.size())};
    else if (const std::int64_t k = value_in(kAfter); k >= 0)
      token_ = {Kind::suffix, k};
  }

  std::string_view rest_;
  Token token_;
  bool after_zeros_ = false;
};

}  // namespace

bool is_version(std::string_view text) {
  Scanner scanner(text);
  while (scanner.token().kind < Kind::end) scanner.advance();
  return scanner.token().kind == Kind::end;
}

namespace {

struct Difference {
  std::strong_ordering order = std::strong_ordering::equal;
  bool b_ended = false;  ///< b is the beginning of a
};

Difference find_difference(std::string_view a, std::string_view b) {
  Scanner left(a);
  Scanner right(b);
  while (left.token().kind == right.token().kind) {
    if (left.token().value != right.token().value) return {left.token().value <=> right.token().value};
    if (left.token().kind >= Kind::end) return {};
    left.advance();
    right.advance();
  }
  const auto is_before = [](const Token& token) { return token.kind == Kind::suffix && token.value < 0; };
  const bool b_ended = right.token().kind == Kind::end;
  if (is_before(left.token())) return {std::strong_ordering::less, b_ended};
  if (is_before(right.token())) return {std::strong_ordering::greater, b_ended};
  return {right.token().kind <=> left.token().kind, b_ended};
}

}  // namespace

std::strong_ordering compare_versions(std::string_view a, std::string_view b) {
  return find_difference(a, b).order;
}

bool begins_with_version(std::string_view version, std::string_view beginning) {
  const Difference difference = find_difference(version, beginning);
  return difference.order == std::strong_ordering::equal || difference.b_ended;
}

}  // namespace alephc::alpine
