// SPDX-License-Identifier: MIT
#pragma once

// The key of a step is the canonical text of its input struct. There is no second list of what a step reads: a
// struct names its members in order,
//
//     struct ArchiveInput {
//       static constexpr std::string_view kMembers = "target strip";
//       std::string target{};
//       std::uint32_t strip = 0;
//     };
//
// and a name too few or too many does not compile. Each member is a line "name value", a list a line for each
// element, a struct in a list one line of "name=value". Values are escaped as in listings, so two texts are
// equal only if the values are. What cannot decide a result is known by its type and in no key: SourceSpan and
// Label are for messages. A LargeText is in a key by its sha256.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "tree/listing_text.hpp"

namespace alephc {

/// A name for messages.
struct Label {
  std::string text{};
};

/// A text that a key names by its hash.
struct LargeText {
  std::string text{};
};

template <class T>
concept KeyStruct = requires { T::kMembers; };

namespace key_detail {

constexpr std::size_t word_count(std::string_view words) {
  std::size_t count = words.empty() ? 0 : 1;
  for (const char c : words) count += c == ' ' ? 1 : 0;
  return count;
}

/// References to all members, in order. C++20 has no other way to name all of them.
template <KeyStruct T>
auto members(const T& value) {
  constexpr std::size_t kCount = word_count(T::kMembers);
  static_assert(kCount >= 1 && kCount <= 19, "members() has no case for so many members");
  if constexpr (kCount == 1) {
    const auto& [a] = value;
    return std::tie(a);
  } else if constexpr (kCount == 2) {
    const auto& [a, b] = value;
    return std::tie(a, b);
  } else if constexpr (kCount == 3) {
    const auto& [a, b, c] = value;
    return std::tie(a, b, c);
  } else if constexpr (kCount == 4) {
    const auto& [a, b, c, d] = value;
    return std::tie(a, b, c, d);
  } else if constexpr (kCount == 5) {
    const auto& [a, b, c, d, e] = value;
    return std::tie(a, b, c, d, e);
  } else if constexpr (kCount == 6) {
    const auto& [a, b, c, d, e, f] = value;
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (kCount == 7) {
    const auto& [a, b, c, d, e, f, g] = value;
    return std::tie(a, b, c, d, e, f, g);
  } else if constexpr (kCount == 8) {
    const auto& [a, b, c, d, e, f, g, h] = value;
    return std::tie(a, b, c, d, e, f, g, h);
  } else if constexpr (kCount == 9) {
    const auto& [a, b, c, d, e, f, g, h, i] = value;
    return std::tie(a, b, c, d, e, f, g, h, i);
  } else if constexpr (kCount == 10) {
    const auto& [a, b, c, d, e, f, g, h, i, j] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j);
  } else if constexpr (kCount == 11) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k);
  } else if constexpr (kCount == 12) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l);
  } else if constexpr (kCount == 13) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m);
  } else if constexpr (kCount == 14) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  } else if constexpr (kCount == 15) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
  } else if constexpr (kCount == 16) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  } else if constexpr (kCount == 17) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q);
  } else if constexpr (kCount == 18) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r);
  } else {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s] = value;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s);
  }
}

template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
concept OnlyForMessages = std::same_as<T, SourceSpan> || std::same_as<T, Label>;

class Writer {
 public:
  enum class Form { lines, words };
  explicit Writer(Form form) : form_(form) {}

  template <KeyStruct T>
  void add_members(const T& value) {
    std::string_view words = T::kMembers;
    const auto add_next = [&](const auto& member) {
      const std::size_t end = std::min(words.find(' '), words.size());
      add(words.substr(0, end), member);
      words.remove_prefix(std::min(end + 1, words.size()));
    };
    std::apply([&](const auto&... member) { (add_next(member), ...); }, members(value));
  }

  std::string take() { return std::move(text_); }

 private:
  template <class T>
  void add(std::string_view name, const T& value) {
    if constexpr (OnlyForMessages<T>) {
      return;
    } else if constexpr (std::same_as<T, std::string>) {
      put(name, escape_path(value));
    } else if constexpr (std::same_as<T, bool>) {
      put(name, value ? "yes" : "no");
    } else if constexpr (std::integral<T>) {
      put(name, std::to_string(value));
    } else if constexpr (std::same_as<T, Digest>) {
      put(name, value.hex());
    } else if constexpr (std::same_as<T, LargeText>) {
      put(name, sha256(value.text).hex());
    } else if constexpr (kIsOptional<T>) {
      if (value) add(name, *value);
    } else if constexpr (kIsVector<T>) {
      for (const auto& element : value) add(name, element);
    } else if constexpr (std::same_as<T, std::map<std::string, std::string>>) {
      for (const auto& [word, text] : value) put_nested(name, escape_path(word) + " " + escape_path(text));
    } else {
      static_assert(KeyStruct<T>, "a member of a type that no key can hold");
      Writer inner(Form::words);
      inner.add_members(value);
      put_nested(name, inner.take());
    }
  }

  void put(std::string_view name, std::string_view value) {
    if (form_ == Form::words && !text_.empty()) text_ += ' ';
    text_ += name;
    text_ += form_ == Form::words ? '=' : ' ';
    text_ += value;
    if (form_ == Form::lines) text_ += '\n';
  }

  /// Blanks part the words of a line: what is nested deeper is escaped once more.
  void put_nested(std::string_view name, const std::string& words) {
    put(name, form_ == Form::lines ? words : escape_path(words));
  }

  Form form_;
  std::string text_;
};

}  // namespace key_detail

/// The canonical text of an input, a line for each member.
template <KeyStruct T>
[[nodiscard]] std::string key_text_of(const T& input) {
  key_detail::Writer writer(key_detail::Writer::Form::lines);
  writer.add_members(input);
  return writer.take();
}

}  // namespace alephc
