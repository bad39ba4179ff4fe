// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace aleph_init {

using Json = nlohmann::json;

struct BadMessage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Length of the first complete msgpack object of bytes; nothing if more bytes are needed. Throws BadMessage
/// on what no msgpack is, or is nested deeper than 64.
[[nodiscard]] std::optional<std::size_t> message_length(std::string_view bytes);

/// Throws BadMessage. bytes hold exactly one object.
[[nodiscard]] Json parse_message(std::string_view bytes);
[[nodiscard]] std::string message_bytes(const Json& value);

/// The bytes of a str or bin: old senders use one for the other.
[[nodiscard]] bool holds_bytes(const Json& value);
[[nodiscard]] std::string bytes_of(const Json& value);
[[nodiscard]] Json binary(std::string_view bytes);

}  // namespace aleph_init
