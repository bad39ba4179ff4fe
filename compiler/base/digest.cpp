// SPDX-License-Identifier: MIT
#include "base/digest.hpp"

#include <vector>

#include <fcntl.h>
#include <openssl/evp.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"

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

std::optional<Digest> Digest::from_hex(std::string_view text) {
  if (text.size() != 64) return std::nullopt;
  Digest digest;
  for (std::size_t i = 0; i < 64; ++i) {
    const char c = text[i];
    unsigned value = 0;
    if (c >= '0' && c <= '9')
      value = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = static_cast<unsigned>(c - 'a') + 10U;
    else
      return std::nullopt;
    digest.bytes[i / 2] = static_cast<std::uint8_t>((unsigned{digest.bytes[i / 2]} << 4U) | value);
  }
  return digest;
}

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    // Looked up once: libcrypto's own lookup takes longer than a small hash.
    static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EVP_DigestInit_ex(context, kAlgorithm, nullptr);
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256 Sha256::copy() const {
  Sha256 other;
  EVP_MD_CTX_copy_ex(other.state_->context, state_->context);
  return other;
}

void Sha256::update(std::string_view data) {
  EVP_DigestUpdate(state_->context, data.data(), data.size());
}

Digest Sha256::finish() {
  Digest digest;
  EVP_DigestFinal_ex(state_->context, digest.bytes.data(), nullptr);
  EVP_DigestInit_ex(state_->context, nullptr, nullptr);
  return digest;
}

Digest sha256(std::string_view data) {
  thread_local Sha256 hash;
  hash.update(data);
  return hash.finish();
}

Digest sha256_fd(int fd) {
  thread_local std::vector<char> buffer(256 * 1024);
  Sha256 hash;
  while (const std::size_t got = read_some(fd, buffer)) hash.update({buffer.data(), got});
  return hash.finish();
}

Digest sha256_file(const std::filesystem::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  return sha256_fd(fd.get());
}

std::string sha1_bytes(std::string_view data) {
  std::string out(20, '\0');
  unsigned size = 0;
  const int done = EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(out.data()), &size,
                              EVP_sha1(), nullptr);
  check(done == 1 && size == out.size(), "libcrypto has SHA-1");
  return out;
}

}  // namespace alephc
