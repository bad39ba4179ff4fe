// SPDX-License-Identifier: MIT
#include "distro/debian/openpgp.hpp"

#include <algorithm>
#include <array>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"

namespace alephc::debian {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr unsigned kPublicKey = 6;
constexpr unsigned kPublicSubkey = 14;
constexpr unsigned kMinimumRsaBits = 2048;
constexpr std::size_t kAlgorithmAt = 5;  ///< in a key packet of version 4: version, four bytes of time, algorithm

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = (value << 8U) | static_cast<unsigned char>(c);
  return value;
}

struct Packet {
  unsigned tag = 0;
  std::string_view body{};
};

/// Returns the next packet, or nothing at the end and where the rest is not a packet that keyrings have.
class PacketReader {
 public:
  explicit PacketReader(std::string_view bytes) : rest_(bytes) {}

  std::optional<Packet> next() {
    if (rest_.empty()) return std::nullopt;
    const auto head = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    if ((head & 0x80U) == 0) return std::nullopt;
    const bool is_new = (head & 0x40U) != 0;
    const unsigned tag = is_new ? head & 0x3fU : (head >> 2U) & 0x0fU;
    const auto length = is_new ? new_length() : old_length(head & 3U);
    if (!length || *length > rest_.size()) return std::nullopt;
    const Packet packet{tag, rest_.substr(0, *length)};
    rest_.remove_prefix(*length);
    return packet;
  }

 private:
  std::optional<std::uint64_t> take(std::size_t bytes) {
    if (rest_.size() < bytes) return std::nullopt;
    const std::uint64_t value = big_endian(rest_.substr(0, bytes));
    rest_.remove_prefix(bytes);
    return value;
  }
  std::optional<std::uint64_t> old_length(unsigned kind) {
    if (kind == 3) return std::nullopt;  // without a length: not in keyrings
    return take(std::size_t{1} << kind);
  }
  std::optional<std::uint64_t> new_length() {
    const auto first = take(1);
    if (!first || *first < 192) return first;
    if (*first == 255) return take(4);
    if (*first >= 224) return std::nullopt;  // in parts: not in keyrings
    const auto second = take(1);
    if (!second) return std::nullopt;
    return ((*first - 192) << 8U) + *second + 192;
  }
  std::string_view rest_;
};

/// RFC 9580 section 5.5.4, version 4.
std::string fingerprint_of(std::string_view body) {
  std::string text("\x99");
  text += static_cast<char>((body.size() >> 8U) & 0xffU);
  text += static_cast<char>(body.size() & 0xffU);
  text += body;
  const std::string hash = sha1_bytes(text);
  std::string hex = to_hex({reinterpret_cast<const std::uint8_t*>(hash.data()), hash.size()});
  std::transform(hex.begin(), hex.end(), hex.begin(), [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  return hex;
}

bool has_modulus(unsigned algorithm) {
  return algorithm <= 3 || algorithm == 16 || algorithm == 17;
}

SignatureStatus::Kind kind_of(const std::string& word) {
  using enum SignatureStatus::Kind;
  static const std::array<std::pair<const char*, SignatureStatus::Kind>, 6> kKinds{
      {{"GOODSIG", good}, {"BADSIG", bad}, {"EXPKEYSIG", expired_key}, {"REVKEYSIG", revoked_key},
       {"EXPSIG", expired_signature}, {"NO_PUBKEY", unknown_key}}};
  for (const auto& [name, kind] : kKinds)
    if (word == name) return kind;
  return other;
}

/// VALIDSIG FINGERPRINT DATE SECONDS EXPIRES VERSION RESERVED KEY-ALGORITHM HASH-ALGORITHM CLASS PRIMARY
void read_valid(const std::vector<std::string>& words, SignatureStatus& status) {
  if (words.size() < 12) return;
  status.key = words[2];
  status.made = static_cast<std::int64_t>(parse_unsigned(words[4]).value_or(0));
  status.hash = static_cast<unsigned>(parse_unsigned(words[9]).value_or(0));
  status.primary = words[11];
}

}  // namespace

std::string without_armor(const std::string& keys, const std::string& label) {
  const std::string begin_mark = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
  std::string out;
  std::string_view rest = keys;
  if (rest.find(begin_mark) == std::string_view::npos) return keys;
  for (std::size_t at = rest.find(begin_mark); at != std::string_view::npos; at = rest.find(begin_mark)) {
    rest.remove_prefix(at + begin_mark.size());
    const std::size_t blank = std::min(rest.find("\n\n"), rest.find("\r\n\r\n"));
    const std::size_t end = rest.find("-----END PGP PUBLIC KEY BLOCK-----");
    if (blank == std::string_view::npos || end == std::string_view::npos || blank > end)
      throw Error(ErrorKind::integrity, "the key of " + label + " is damaged");
    unsigned bits = 0;
    unsigned held = 0;
    for (const std::string& line : split(rest.substr(blank, end - blank), '\n')) {
      if (line.starts_with('=')) break;  // the checksum
      for (const char c : line) {
        const std::size_t value = kBase64.find(c);
        if (value == std::string_view::npos) continue;
        held = ((held << 6U) | static_cast<unsigned>(value)) & 0xffffffU;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out += static_cast<char>((held >> bits) & 0xffU);
      }
    }
    rest.remove_prefix(end);
  }
  return out;
}

namespace {

PublicKeyKind kind_of_key(std::string_view body) {
  PublicKeyKind kind{.algorithm = static_cast<unsigned char>(body[kAlgorithmAt])};
  if (has_modulus(kind.algorithm)) kind.bits = static_cast<unsigned>(big_endian(body.substr(kAlgorithmAt + 1, 2)));
  return kind;
}

/// RFC 9580 section 5.2.1; 0 for what is not a signature.
unsigned signature_type(const Packet& packet) {
  constexpr unsigned kSignature = 2;
  if (packet.tag != kSignature || packet.body.size() < 3) return 0;
  return static_cast<unsigned char>(packet.body[packet.body[0] == 3 ? 2 : 1]);
}

}  // namespace

std::optional<PublicKeyKind> find_key(std::string_view keys, const std::string& fingerprint) {
  constexpr unsigned kRevokesKey = 0x20;
  constexpr unsigned kRevokesSubkey = 0x28;
  PacketReader packets(keys);
  std::optional<PublicKeyKind> found;
  bool primary_revoked = false;
  bool is_current = false;  // the packets that come are about the key that is looked for
  while (const auto packet = packets.next()) {
    const std::string_view body = packet->body;
    if (packet->tag == kPublicKey) {
      if (found) break;
      primary_revoked = false;
    }
    if (packet->tag == kPublicKey || packet->tag == kPublicSubkey) {
      is_current = body.size() > kAlgorithmAt + 2 && body[0] == 4 && fingerprint_of(body) == fingerprint;
      if (is_current) found = kind_of_key(body);
    }
    const unsigned type = signature_type(*packet);
    if (type == kRevokesKey) primary_revoked = true;
    if (type == kRevokesSubkey && is_current) found->revoked = true;
  }
  if (found && primary_revoked) found->revoked = true;
  return found;
}

std::string weakness_of(const PublicKeyKind& kind) {
  if (kind.revoked) return "a revoked key";
  if (kind.algorithm == 1 || kind.algorithm == 3)
    return kind.bits >= kMinimumRsaBits ? "" : "a key of RSA with " + std::to_string(kind.bits) + " bits";
  if (kind.algorithm == 17) return "a key of DSA";
  constexpr std::array kCurves{19U, 22U, 27U, 28U};
  const bool known = std::find(kCurves.begin(), kCurves.end(), kind.algorithm) != kCurves.end();
  return known ? "" : "a key of the unknown algorithm " + std::to_string(kind.algorithm);
}

bool is_weak_hash(unsigned hash) {
  constexpr unsigned kSha256 = 8;
  return hash < kSha256;
}

std::optional<std::int64_t> expired_since(const SignatureStatus& status, std::int64_t at) {
  if (status.key_expiries.empty()) return std::nullopt;
  // Of a key and its primary, the first that ends. Where gpgv does not know the day it says 0, which is before all.
  const std::int64_t first = *std::min_element(status.key_expiries.begin(), status.key_expiries.end());
  if (first <= std::max(at, status.made)) return std::nullopt;
  return first;
}

std::vector<SignatureStatus> parse_gpgv_status(std::string_view text) {
  std::vector<SignatureStatus> found;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = split_words(line);
    if (words.size() < 2 || words[0] != "[GNUPG:]") continue;
    if (words[1] == "NEWSIG") found.emplace_back();
    if (found.empty()) continue;
    SignatureStatus& status = found.back();
    if (words[1] == "KEYEXPIRED" && words.size() > 2)
      status.key_expiries.push_back(static_cast<std::int64_t>(parse_unsigned(words[2]).value_or(0)));
    if (words[1] == "VALIDSIG") read_valid(words, status);
    const auto kind = kind_of(words[1]);
    if (kind == SignatureStatus::Kind::other) continue;
    status.kind = kind;
    if (words.size() > 2) status.key_id = words[2];
  }
  return found;
}

}  // namespace alephc::debian
