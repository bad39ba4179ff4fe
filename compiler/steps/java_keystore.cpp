// SPDX-License-Identifier: MIT
#include "steps/java_keystore.hpp"

#include <map>

#include "base/digest.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kMagic = 0xfeedfeed;
constexpr std::uint64_t kVersion = 2;
constexpr std::uint64_t kTrustedCertificate = 2;
constexpr std::size_t kChecksumSize = 20;
constexpr std::string_view kPassword = "changeit";

/// SHA-1 of the password in UTF-16, a fixed phrase, and what the store holds before the checksum.
std::string checksum(std::string_view body) {
  std::string text;
  for (const char c : kPassword) text += std::string{'\0', c};
  text += "Mighty Aphrodite";
  text += body;
  return sha1_bytes(text);
}

class Cursor {
 public:
  explicit Cursor(std::string_view rest) : rest_(rest) {}

  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) {
      broken_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const char c : take(size)) value = (value << 8U) | static_cast<std::uint8_t>(c);
    return value;
  }
  [[nodiscard]] bool at_end() const { return !broken_ && rest_.empty(); }
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  std::string_view rest_;
  bool broken_ = false;
};

std::string big_endian(std::uint64_t value, unsigned size) {
  std::string out;
  for (unsigned i = size; i > 0; --i) out += static_cast<char>((value >> (8 * (i - 1))) & 0xffU);
  return out;
}

}  // namespace

std::optional<std::string> dated_java_trust_store(std::string_view store, std::int64_t time_ms) {
  if (store.size() < kChecksumSize) return std::nullopt;
  const std::string_view body = store.substr(0, store.size() - kChecksumSize);
  if (checksum(body) != store.substr(body.size())) return std::nullopt;
  Cursor cursor(body);
  if (cursor.number(4) != kMagic || cursor.number(4) != kVersion) return std::nullopt;
  const std::uint64_t count = cursor.number(4);
  std::map<std::string_view, std::string> entries;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (cursor.number(4) != kTrustedCertificate || cursor.broken()) return std::nullopt;
    const std::string_view name = cursor.take(cursor.number(2));
    (void)cursor.number(8);  // the moment of its import
    const std::string_view type = cursor.take(cursor.number(2));
    const std::string_view certificate = cursor.take(cursor.number(4));
    entries[name] = big_endian(kTrustedCertificate, 4) + big_endian(name.size(), 2) + std::string(name) +
                    big_endian(static_cast<std::uint64_t>(time_ms), 8) + big_endian(type.size(), 2) +
                    std::string(type) + big_endian(certificate.size(), 4) + std::string(certificate);
  }
  if (!cursor.at_end() || entries.size() != count) return std::nullopt;
  std::string out = big_endian(kMagic, 4) + big_endian(kVersion, 4) + big_endian(count, 4);
  for (const auto& [name, entry] : entries) out += entry;
  return out + checksum(out);
}

}  // namespace alephc
