// SPDX-License-Identifier: MIT
// What surrounds gpgv: armor, packets of keyrings, and the lines in which gpgv says what it found.
#include "distro/debian/openpgp.hpp"

#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;
using namespace alephc::debian;

namespace {

std::string big_endian(std::size_t value, unsigned bytes) {
  std::string out;
  for (unsigned i = bytes; i > 0; --i) out += static_cast<char>((value >> (8 * (i - 1))) & 0xffU);
  return out;
}

/// The body of a public-key packet of version 4, with a number of that many bits.
std::string key_body(unsigned algorithm, unsigned bits, unsigned version = 4) {
  return big_endian(version, 1) + "time" + big_endian(algorithm, 1) + big_endian(bits, 2) +
         std::string((bits + 7) / 8, 'n');
}

std::string fingerprint_of(const std::string& body) {
  const std::string hash = sha1_bytes("\x99" + big_endian(body.size(), 2) + body);
  std::string hex;
  for (const char c : hash)
    for (const unsigned shift : {4U, 0U}) hex += "0123456789ABCDEF"[(static_cast<unsigned char>(c) >> shift) & 0xfU];
  return hex;
}

/// Packets as GnuPG writes them: the length in as few bytes as will do, or in as many as are said.
std::string old_packet(unsigned tag, const std::string& body, unsigned length_bytes = 2) {
  const unsigned kind = length_bytes == 1 ? 0 : length_bytes == 2 ? 1 : 2;
  return big_endian(0x80U | (tag << 2U) | kind, 1) + big_endian(body.size(), length_bytes) + body;
}

std::string new_packet(unsigned tag, const std::string& body, bool long_form = false) {
  const std::size_t size = body.size();
  std::string length = big_endian(size, 1);
  if (long_form)
    length = "\xff" + big_endian(size, 4);
  else if (size >= 192)
    length = big_endian(((size - 192) >> 8U) + 192, 1) + big_endian((size - 192) & 0xffU, 1);
  return big_endian(0xc0U | tag, 1) + length + body;
}

constexpr unsigned kKey = 6;
constexpr unsigned kSubkey = 14;
constexpr unsigned kUser = 13;

std::string armored(const std::string& bytes, const std::string& line_end = "\n") {
  const std::string base64 = to_base64(bytes);
  std::string out = "-----BEGIN PGP PUBLIC KEY BLOCK-----" + line_end + "Version: words" + line_end + line_end;
  for (std::size_t at = 0; at < base64.size(); at += 64) out += base64.substr(at, 64) + line_end;
  return out + "=AbCd" + line_end + "-----END PGP PUBLIC KEY BLOCK-----" + line_end;
}

std::vector<SignatureStatus> statuses(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "[GNUPG:] " + line + "\n";
  return parse_gpgv_status(text);
}

const std::string kFingerprint(40, 'A');
const std::string kPrimary(40, 'B');
const std::string kValid = "VALIDSIG " + kFingerprint + " 2020-07-01 1593604800 0 4 0 22 8 01 " + kPrimary;

}  // namespace

TEST_CASE("armored keys become the bytes that they stand for, whatever surrounds them") {
  for (const std::size_t size : {1U, 2U, 3U, 47U, 48U, 49U, 500U}) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>((i * 7 + 0x99) & 0xffU);
    CAPTURE(size);
    CHECK(without_armor(armored(bytes), "x") == bytes);
    CHECK(without_armor(armored(bytes, "\r\n"), "x") == bytes);
    CHECK(without_armor("a comment\n" + armored(bytes) + "more words\n" + armored("second"), "x") == bytes + "second");
  }
}

TEST_CASE("a binary keyring is taken as it is") {
  const std::string keyring = old_packet(kKey, key_body(1, 2048));
  CHECK(without_armor(keyring, "x") == keyring);
  CHECK(without_armor("", "x").empty());
}

TEST_CASE("broken armor is refused with the name of whose key it is") {
  const std::string begin = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n";
  const std::string end = "-----END PGP PUBLIC KEY BLOCK-----\n";
  for (const std::string& keys : {begin, begin + "\nAAAA\n", begin + "AAAA\n" + end, begin + end + "\n\nAAAA\n",
                                  armored("first") + begin + "\nAAAA\n"}) {
    CAPTURE(keys);
    CHECK(error_kind([&] { (void)without_armor(keys, "debian/sid"); }) == ErrorKind::integrity);
    CHECK(error_text([&] { (void)without_armor(keys, "debian/sid"); }) == "the key of debian/sid is damaged\n");
  }
}

TEST_CASE("a key is found by its fingerprint in every form that a packet may have") {
  const std::string body = key_body(1, 2048);
  const std::string small = key_body(22, 80);
  const std::string noise = old_packet(kUser, "Somebody <a@b>", 1) + new_packet(2, std::string(300, 's'));
  const std::vector<std::string> packets{old_packet(kKey, body),       old_packet(kKey, body, 4),
                                         old_packet(kSubkey, body),    new_packet(kKey, body),
                                         new_packet(kKey, body, true), new_packet(kSubkey, body)};
  for (const std::string& packet : packets) {
    const std::string keyring = new_packet(kKey, small) + noise + packet + noise;
    const auto key = find_key(keyring, fingerprint_of(body));
    REQUIRE(key);
    CHECK(key->algorithm == 1);
    CHECK(key->bits == 2048);
    const auto curve = find_key(keyring, fingerprint_of(small));
    REQUIRE(curve);
    CHECK(curve->algorithm == 22);
    CHECK(curve->bits == 0);
  }
}

TEST_CASE("what is no key, of another version or cut off is not found") {
  const std::string body = key_body(1, 2048);
  const std::string fingerprint = fingerprint_of(body);
  REQUIRE(find_key(old_packet(kKey, body), fingerprint));
  CHECK_FALSE(find_key("", fingerprint));
  CHECK_FALSE(find_key(old_packet(kUser, body), fingerprint));
  CHECK_FALSE(find_key(old_packet(kKey, body), std::string(40, '0')));
  CHECK_FALSE(find_key(old_packet(kKey, body), to_lower(fingerprint)));
  const std::string third = key_body(1, 2048, 3);
  CHECK_FALSE(find_key(old_packet(kKey, third), fingerprint_of(third)));
  const std::string keyring = old_packet(kKey, body);
  for (std::size_t size = 0; size < keyring.size(); ++size)
    REQUIRE_FALSE(find_key(std::string_view(keyring).substr(0, size), fingerprint));
  for (const std::string& stop :
       {std::string("\x00", 1), std::string("\x83 no length"), std::string("\xc6\xe1 in parts")})
    CHECK_FALSE(find_key(stop + keyring, fingerprint));
}

TEST_CASE("weak and unknown kinds of keys are named, good ones are not") {
  for (const PublicKeyKind good :
       {PublicKeyKind{1, 2048}, {1, 2049}, {1, 4096}, {3, 3072}, {19, 0}, {22, 0}, {27, 0}, {28, 0}})
    CHECK(weakness_of(good).empty());
  CHECK(weakness_of({1, 2047}) == "a key of RSA with 2047 bits");
  CHECK(weakness_of({3, 1024}) == "a key of RSA with 1024 bits");
  CHECK(weakness_of({17, 4096}) == "a key of DSA");
  CHECK(weakness_of({2, 4096}) == "a key of the unknown algorithm 2");  // RSA for encryption only
  CHECK(weakness_of({16, 4096}) == "a key of the unknown algorithm 16");
  CHECK(weakness_of({0, 0}) == "a key of the unknown algorithm 0");
}

TEST_CASE("digests that can be forged are weak, the SHA-2 family is not") {
  for (const unsigned weak : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U}) CHECK(is_weak_hash(weak));
  for (const unsigned good : {8U, 9U, 10U, 11U}) CHECK_FALSE(is_weak_hash(good));
}

TEST_CASE("a good signature has its key, its primary key, its time and its digest") {
  const auto found = statuses({"NEWSIG", "KEY_CONSIDERED x 0", "SIG_ID a 2020-07-01 1593604800",
                               "GOODSIG 0123456789ABCDEF Somebody <a@b>", kValid});
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == SignatureStatus::Kind::good);
  CHECK(found[0].key_id == "0123456789ABCDEF");
  CHECK(found[0].key == kFingerprint);
  CHECK(found[0].primary == kPrimary);
  CHECK(found[0].made == 1593604800);
  CHECK(found[0].hash == 8);
  CHECK(found[0].key_expiries.empty());
}

TEST_CASE("every verdict of gpgv has its kind") {
  using enum SignatureStatus::Kind;
  const std::vector<std::pair<std::string, SignatureStatus::Kind>> rows{{"GOODSIG", good},
                                                                        {"BADSIG", bad},
                                                                        {"EXPKEYSIG", expired_key},
                                                                        {"REVKEYSIG", revoked_key},
                                                                        {"EXPSIG", expired_signature},
                                                                        {"NO_PUBKEY", unknown_key},
                                                                        {"SOMETHING", other}};
  for (const auto& [word, kind] : rows) {
    CAPTURE(word);
    const auto found = statuses({"NEWSIG", word + " 0123456789ABCDEF x"});
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == kind);
    CHECK(found[0].key_id == (kind == other ? "" : "0123456789ABCDEF"));
    CHECK(found[0].key.empty());
  }
}

TEST_CASE("signatures are told apart and keep their order") {
  const auto found = statuses({"NEWSIG", "ERRSIG 1111111111111111 1 8 01 1 9 x", "NO_PUBKEY 1111111111111111", "NEWSIG",
                               "GOODSIG 2222222222222222 x", kValid, "NEWSIG", "BADSIG 3333333333333333 x"});
  REQUIRE(found.size() == 3);
  CHECK(found[0].kind == SignatureStatus::Kind::unknown_key);
  CHECK(found[0].key.empty());
  CHECK(found[1].kind == SignatureStatus::Kind::good);
  CHECK(found[1].key == kFingerprint);
  CHECK(found[2].kind == SignatureStatus::Kind::bad);
  CHECK(found[2].key_id == "3333333333333333");
  CHECK(found[2].key.empty());
}

TEST_CASE("only whole status lines count") {
  CHECK(parse_gpgv_status("").empty());
  CHECK(parse_gpgv_status("[GNUPG:] GOODSIG 0123456789ABCDEF x\n").empty());  // of no signature
  CHECK(parse_gpgv_status("gpgv: NEWSIG\nNEWSIG\n[GNUPG:]NEWSIG\n x[GNUPG:] NEWSIG\n").empty());
  const auto found = parse_gpgv_status("[GNUPG:] NEWSIG\ngpgv: [GNUPG:] GOODSIG 0123456789ABCDEF x\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == SignatureStatus::Kind::other);
  CHECK(statuses({"NEWSIG", "VALIDSIG " + kFingerprint + " 2020-07-01 1593604800"}).at(0).key.empty());
}

TEST_CASE("a key counts as expired since the first of its and its primary's ends") {
  const auto found = statuses({"NEWSIG", "KEYEXPIRED 300", "KEYEXPIRED 200", "EXPKEYSIG 0123456789ABCDEF x",
                               "VALIDSIG " + kFingerprint + " 1970-01-01 100 0 4 0 22 8 01 " + kPrimary});
  REQUIRE(found.size() == 1);
  CHECK(found[0].key_expiries == std::vector<std::int64_t>{300, 200});
  CHECK(expired_since(found[0], 150) == 200);
  CHECK(expired_since(found[0], 199) == 200);
  CHECK_FALSE(expired_since(found[0], 200));
  CHECK_FALSE(expired_since(found[0], 250));
}

TEST_CASE("a key was not valid when it had expired before the signature was made, or nobody knows when") {
  CHECK_FALSE(expired_since({.made = 200, .key_expiries = {200}}, 100));
  CHECK(expired_since({.made = 199, .key_expiries = {200}}, 100) == 200);
  CHECK_FALSE(expired_since({.made = 100}, 100));
  CHECK_FALSE(expired_since({.made = 100, .key_expiries = {0}}, 100));
  CHECK_FALSE(expired_since({.made = 100, .key_expiries = {300, 0}}, 100));
  CHECK(statuses({"NEWSIG", "KEYEXPIRED never"}).at(0).key_expiries == std::vector<std::int64_t>{0});
}

TEST_CASE("a key with a revocation in the keyring is revoked, as are all subkeys of a revoked key") {
  const std::string primary = key_body(1, 4096);
  const std::string sub = key_body(1, 3072);
  const std::string other = key_body(1, 2048);
  constexpr unsigned kSignature = 2;
  const auto signature = [](char type) { return old_packet(kSignature, std::string("\x04") + type + "rest"); };
  const auto revoked = [&](const std::string& keyring, const std::string& body) {
    return find_key(keyring, fingerprint_of(body))->revoked;
  };
  const std::string tail = old_packet(kSubkey, sub) + signature(0x18);
  const std::string good = old_packet(kKey, primary) + signature(0x13) + tail;
  CHECK_FALSE(revoked(good, primary));
  CHECK_FALSE(revoked(good, sub));
  const std::string bad = old_packet(kKey, primary) + signature(0x20) + tail;
  CHECK(revoked(bad, primary));
  CHECK(revoked(bad, sub));
  CHECK_FALSE(revoked(bad + old_packet(kKey, other), other));
  CHECK(revoked(good + signature(0x28), sub));
  CHECK_FALSE(revoked(good + signature(0x28), primary));
  CHECK(weakness_of({.algorithm = 1, .bits = 4096, .revoked = true}) == "a revoked key");
}
