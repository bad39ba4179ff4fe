// SPDX-License-Identifier: MIT
#include "init/configuration.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

#include "init/errors.hpp"

namespace aleph_init {
namespace {

constexpr std::size_t kMaxNameServers = 3;  // MAXNS of the C libraries

[[noreturn]] void wrong(const std::string& key, const char* wanted) {
  throw SetupError("configuration: '" + key + "' is not " + wanted);
}

const Json* member(const Json& map, const char* key) {
  const auto it = map.find(key);
  return it == map.end() || it->is_null() ? nullptr : &*it;
}

void read_bytes(const Json& map, const char* key, std::string& into) {
  const Json* value = member(map, key);
  if (value == nullptr) return;
  if (!holds_bytes(*value)) wrong(key, "a string");
  into = bytes_of(*value);
}

std::string text(const Json& value, const std::string& key) {
  if (!holds_bytes(value)) wrong(key, "a string");
  std::string out = bytes_of(value);
  if (out.find('\0') != std::string::npos) wrong(key, "text");
  return out;
}

void read_text(const Json& map, const char* key, std::string& into) {
  if (const Json* value = member(map, key)) into = text(*value, key);
}

std::vector<std::string> texts(const Json& map, const char* key) {
  std::vector<std::string> out;
  const Json* value = member(map, key);
  if (value == nullptr) return out;
  if (!value->is_array()) wrong(key, "an array");
  for (const Json& item : *value) out.push_back(text(item, key));
  return out;
}

std::vector<Volume> volumes_of(const Json& map) {
  std::vector<Volume> volumes;
  const Json* value = member(map, "volumes");
  if (value == nullptr) return volumes;
  if (!value->is_array()) wrong("volumes", "an array");
  for (const Json& item : *value) {
    if (!item.is_object()) wrong("volumes", "an array of maps");
    Volume volume;
    read_text(item, "mount", volume.mount);
    read_text(item, "device", volume.device);
    const Json* read_only = member(item, "read_only");
    if (read_only != nullptr && !read_only->is_boolean()) wrong("read_only", "a boolean");
    volume.read_only = read_only != nullptr && read_only->get<bool>();
    if (!volume.mount.starts_with('/')) wrong("mount", "an absolute path");
    if (volume.device.empty() || volume.device.find('/') != std::string::npos)
      wrong("device", "a device name");
    volumes.push_back(std::move(volume));
  }
  return volumes;
}

void choose(const std::string& value, const char* key, std::initializer_list<const char*> known) {
  if (std::find(known.begin(), known.end(), value) == known.end())
    throw SetupError("configuration: unknown " + std::string(key) + " '" + value + "'");
}

std::optional<std::vector<std::uint8_t>> from_hex(const std::string& hex) {
  std::vector<std::uint8_t> bytes;
  if (hex.size() != 64) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const auto digit = [](char c) {
      return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

/// The 34 bytes of a CIDv0: a multihash in base58.
std::optional<std::vector<std::uint8_t>> digest_of_cid(const std::string& cid) {
  static constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  if (cid.size() != 46 || !cid.starts_with("Qm")) return std::nullopt;
  std::array<std::uint8_t, 34> bytes{};
  for (const char c : cid) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    auto carry = static_cast<unsigned>(digit);
    for (auto it = bytes.rbegin(); it != bytes.rend(); ++it) {
      carry += 58U * *it;
      *it = static_cast<std::uint8_t>(carry & 0xffU);
      carry >>= 8U;
    }
    if (carry != 0) return std::nullopt;
  }
  return std::vector<std::uint8_t>(bytes.begin() + 2, bytes.end());
}

}  // namespace

Configuration parse_configuration(std::string_view message) {
  Json map;
  try {
    map = parse_message(message);
  } catch (const BadMessage& error) {
    throw SetupError(std::string("configuration: ") + error.what());
  }
  if (!map.is_object()) throw SetupError("configuration: not a map");
  Configuration out;
  read_text(map, "interface", out.interface);
  read_text(map, "vm_hash", out.vm_hash);
  read_text(map, "encoding", out.encoding);
  read_text(map, "entrypoint", out.entrypoint);
  read_bytes(map, "code", out.code);
  read_bytes(map, "input_data", out.input_data);
  read_text(map, "ip", out.ip);
  read_text(map, "route", out.route);
  read_text(map, "ipv6", out.ipv6);
  read_text(map, "ipv6_gateway", out.ipv6_gateway);
  for (std::string& server : texts(map, "dns_servers"))
    if (out.dns_servers.size() < kMaxNameServers &&
        std::find(out.dns_servers.begin(), out.dns_servers.end(), server) == out.dns_servers.end())
      out.dns_servers.push_back(std::move(server));
  out.volumes = volumes_of(map);
  if (const Json* variables = member(map, "variables")) {
    if (!variables->is_object()) wrong("variables", "a map");
    for (const auto& [name, value] : variables->items()) out.variables[name] = text(value, "variables");
  }
  out.authorized_keys = texts(map, "authorized_keys");
  choose(out.interface, "interface", {"asgi", "executable"});
  choose(out.encoding, "encoding", {"plain", "zip", "squashfs"});
  return out;
}

Json volumes_map(const std::vector<Volume>& volumes) {
  Json map = Json::array();
  for (const Volume& volume : volumes)
    map.push_back({{"mount", volume.mount}, {"device", volume.device}, {"read_only", volume.read_only}});
  return map;
}

std::string kept_configuration(const Configuration& configuration) {
  const bool is_source = configuration.interface == "asgi" && configuration.encoding == "plain";
  return message_bytes({{"interface", configuration.interface},
                        {"vm_hash", configuration.vm_hash},
                        {"encoding", configuration.encoding},
                        {"entrypoint", configuration.entrypoint},
                        {"code", binary(is_source ? configuration.code : std::string())},
                        {"volumes", volumes_map(configuration.volumes)},
                        {"variables", configuration.variables}});
}

std::string hostname_of(const std::string& vm_hash) {
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  auto bytes = from_hex(vm_hash);
  if (!bytes) bytes = digest_of_cid(vm_hash);
  if (!bytes) return "aleph";
  std::string out;
  unsigned buffer = 0;
  unsigned bits = 0;
  for (const std::uint8_t byte : *bytes) {
    buffer = (buffer << 8U) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += kAlphabet[(buffer >> (bits - 5)) & 31U];
    buffer &= (1U << bits) - 1;
  }
  if (bits > 0) out += kAlphabet[(buffer << (5 - bits)) & 31U];
  return out;
}

bool is_safe_entrypoint(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos) return false;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace aleph_init
