// SPDX-License-Identifier: MIT
#include "base/digest.hpp"

#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/interrupt.hpp"
#include "base/text.hpp"

namespace alephc {

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

std::string Digest::hex() const {
  return to_hex(bytes);
}

namespace {

constexpr std::uint8_t kNoDigit = 16;

constexpr std::array<std::uint8_t, 256> hex_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::uint8_t i = 0; i < 10; ++i) values['0' + i] = i;
  for (std::uint8_t i = 10; i < 16; ++i) values['a' + i - 10] = i;
  return values;
}

}  // namespace

std::optional<Digest> Digest::from_hex(std::string_view text) {
  if (text.size() != 64) return std::nullopt;
  static constexpr std::array<std::uint8_t, 256> kValues = hex_values();
  Digest digest;
  unsigned seen = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const unsigned high = kValues[static_cast<std::uint8_t>(text[2 * i])];
    const unsigned low = kValues[static_cast<std::uint8_t>(text[2 * i + 1])];
    seen |= high | low;
    digest.bytes[i] = static_cast<std::uint8_t>((high << 4U) | low);
  }
  if (seen >= kNoDigit) return std::nullopt;
  return digest;
}

namespace {

// Looked up once: libcrypto's own lookup takes longer than a small hash.
const EVP_MD* algorithm_sha256() {
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kAlgorithm;
}
const EVP_MD* algorithm_sha1() {
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  return kAlgorithm;
}

}  // namespace

HashState::HashState(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new()) {
  check(algorithm != nullptr && EVP_DigestInit_ex(context_, algorithm, nullptr) == 1,
        "libcrypto has the hash");
}

HashState::~HashState() {
  EVP_MD_CTX_free(context_);
}

void HashState::copy_from(const HashState& other) {
  EVP_MD_CTX_copy_ex(context_, other.context_);
}

void HashState::update(std::string_view data) {
  EVP_DigestUpdate(context_, data.data(), data.size());
}

void HashState::finish(std::uint8_t* out) {
  EVP_DigestFinal_ex(context_, out, nullptr);
  EVP_DigestInit_ex(context_, nullptr, nullptr);
}

Sha256::Sha256() : state_(algorithm_sha256()) {}

Sha256 Sha256::copy() const {
  Sha256 other;
  other.state_.copy_from(state_);
  return other;
}

Digest Sha256::finish() {
  Digest digest;
  state_.finish(digest.bytes.data());
  return digest;
}

Md5::Md5() : state_(EVP_md5()) {}

std::string Md5::finish() {
  std::array<std::uint8_t, 16> bytes{};
  state_.finish(bytes.data());
  return to_hex(bytes);
}

Sha1::Sha1() : state_(algorithm_sha1()) {}

std::string Sha1::finish() {
  std::string out(20, '\0');
  state_.finish(reinterpret_cast<std::uint8_t*>(out.data()));
  return out;
}

Digest sha256(std::string_view data) {
  thread_local Sha256 hash;
  hash.update(data);
  return hash.finish();
}

Digest sha256_fd(int fd) {
  thread_local std::vector<char> buffer(256 * 1024);
  Sha256 hash;
  while (const std::size_t got = read_some(fd, buffer)) {
    hash.update({buffer.data(), got});
    throw_if_interrupted();
  }
  return hash.finish();
}

Digest sha256_file(const std::filesystem::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  return sha256_fd(fd.get());
}

std::string sha1_bytes(std::string_view data) {
  Sha1 hash;
  hash.update(data);
  return hash.finish();
}

std::string strongest_integrity(std::string_view integrity) {
  std::string best;
  // "sha256-" < "sha384-" < "sha512-" as texts.
  for (const std::string& word : split_words(integrity)) {
    const std::string hash = word.substr(0, word.find('?'));
    const bool known =
        hash.starts_with("sha256-") || hash.starts_with("sha384-") || hash.starts_with("sha512-");
    if (known && (best.empty() || hash.substr(0, 6) > best.substr(0, 6))) best = hash;
  }
  return best;
}

bool has_integrity(int fd, std::string_view integrity) {
  const std::string wanted = strongest_integrity(integrity);
  if (wanted.empty()) return false;
  const EVP_MD* algorithm = wanted.starts_with("sha512")   ? EVP_sha512()
                            : wanted.starts_with("sha384") ? EVP_sha384()
                                                           : EVP_sha256();
  HashState hash(algorithm);
  std::vector<char> buffer(256 * 1024);
  if (::lseek(fd, 0, SEEK_SET) != 0) throw system_error("read a file again", errno);
  while (const std::size_t got = read_some(fd, buffer)) hash.update({buffer.data(), got});
  std::string digest(static_cast<std::size_t>(EVP_MD_get_size(algorithm)), '\0');
  hash.finish(reinterpret_cast<std::uint8_t*>(digest.data()));
  return to_base64(digest) == wanted.substr(7);
}

std::string to_base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace alephc
