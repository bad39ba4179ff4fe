// SPDX-License-Identifier: MIT
#include "init/message.hpp"

#include <cstdint>
#include <vector>

namespace aleph_init {
namespace {

constexpr std::size_t kMaxDepth = 64;

/// What an object's first bytes say: its own size without children.
struct Head {
  std::uint64_t size = 1;  ///< marker, length field and payload
  std::uint64_t children = 0;
};

/// Nothing if the length field is not there yet.
std::optional<std::uint64_t> length_field(std::string_view bytes, std::size_t width) {
  if (bytes.size() < 1 + width) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value = (value << 8U) | static_cast<std::uint8_t>(bytes[1 + i]);
  return value;
}

std::optional<Head> with_length(std::string_view bytes, std::size_t width, std::uint64_t extra,
                                unsigned children_per_item) {
  const auto length = length_field(bytes, width);
  if (!length) return std::nullopt;
  if (children_per_item > 0) return Head{1 + width, *length * children_per_item};
  return Head{1 + width + extra + *length, 0};
}

std::optional<Head> head_of(std::string_view bytes) {
  const auto marker = static_cast<std::uint8_t>(bytes.front());
  if (marker <= 0x7f || marker >= 0xe0) return Head{};          // small integers
  if (marker <= 0x8f) return Head{1, 2ULL * (marker & 0x0fU)};  // fixmap
  if (marker <= 0x9f) return Head{1, marker & 0x0fULL};         // fixarray
  if (marker <= 0xbf) return Head{1 + (marker & 0x1fULL), 0};   // fixstr
  switch (marker) {
    case 0xc0:  // nil
    case 0xc2:  // false
    case 0xc3:  // true
      return Head{};
    case 0xc4:  // bin
    case 0xd9:  // str
      return with_length(bytes, 1, 0, 0);
    case 0xc5:
    case 0xda:
      return with_length(bytes, 2, 0, 0);
    case 0xc6:
    case 0xdb:
      return with_length(bytes, 4, 0, 0);
    case 0xc7:  // ext, with a type byte
      return with_length(bytes, 1, 1, 0);
    case 0xc8:
      return with_length(bytes, 2, 1, 0);
    case 0xc9:
      return with_length(bytes, 4, 1, 0);
    case 0xcc:  // 8-bit integers
    case 0xd0:
      return Head{2, 0};
    case 0xcd:
    case 0xd1:
      return Head{3, 0};
    case 0xca:  // float
    case 0xce:
    case 0xd2:
      return Head{5, 0};
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return Head{9, 0};
    case 0xd4:  // fixext 1 to 16
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return Head{2 + (1ULL << (marker - 0xd4U)), 0};
    case 0xdc:  // array
      return with_length(bytes, 2, 0, 1);
    case 0xdd:
      return with_length(bytes, 4, 0, 1);
    case 0xde:  // map
      return with_length(bytes, 2, 0, 2);
    case 0xdf:
      return with_length(bytes, 4, 0, 2);
    default:
      throw BadMessage("not msgpack");
  }
}

}  // namespace

std::optional<std::size_t> message_length(std::string_view bytes) {
  std::vector<std::uint64_t> missing{1};  // objects still to come, a level each
  std::size_t at = 0;
  while (!missing.empty()) {
    if (missing.back() == 0) {
      missing.pop_back();
      continue;
    }
    --missing.back();
    if (at >= bytes.size()) return std::nullopt;
    const auto head = head_of(bytes.substr(at));
    if (!head || head->size > bytes.size() - at) return std::nullopt;
    at += head->size;
    if (head->children == 0) continue;
    if (missing.size() >= kMaxDepth) throw BadMessage("nested too deeply");
    missing.push_back(head->children);
  }
  return at;
}

Json parse_message(std::string_view bytes) {
  if (message_length(bytes) != bytes.size()) throw BadMessage("not one msgpack object");
  try {
    return Json::from_msgpack(bytes);
  } catch (const Json::exception& error) {
    throw BadMessage(error.what());
  }
}

std::string message_bytes(const Json& value) {
  std::string out;
  Json::to_msgpack(value, out);
  return out;
}

bool holds_bytes(const Json& value) {
  return value.is_string() || value.is_binary();
}

std::string bytes_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  const Json::binary_t& bytes = value.get_binary();
  return {bytes.begin(), bytes.end()};
}

Json binary(std::string_view bytes) {
  return Json::binary(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
}

}  // namespace aleph_init
