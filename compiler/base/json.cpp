// SPDX-License-Identifier: MIT
#include "base/json.hpp"

namespace alephc {
namespace {

template <typename AnyJson>
std::string text_of(const AnyJson& value, int indent, bool ascii) {
  return value.dump(indent, ' ', ascii, AnyJson::error_handler_t::replace);
}

}  // namespace

template <typename AnyJson>
AnyJson parse_json(const std::string& text) {
  return AnyJson::parse(text, nullptr, false);
}
template Json parse_json(const std::string& text);
template SortedJson parse_json(const std::string& text);

template <typename AnyJson>
AnyJson parse_shallow(const std::string& text) {
  constexpr int kDeepest = 64;
  return AnyJson::parse(
      text, [](int depth, typename AnyJson::parse_event_t, AnyJson&) { return depth < kDeepest; }, false);
}
template Json parse_shallow(const std::string& text);
template SortedJson parse_shallow(const std::string& text);

std::string json_text(const Json& value, int indent) {
  return text_of(value, indent, false);
}

std::string json_text(const SortedJson& value) {
  return text_of(value, -1, false);
}

std::string ascii_json_text(const Json& value) {
  return text_of(value, -1, true);
}

}  // namespace alephc
