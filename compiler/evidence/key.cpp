// SPDX-License-Identifier: MIT
#include "evidence/key.hpp"

#include <algorithm>
#include <vector>

#include <sodium.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

// RFC 8410: what stands before the 32 bytes in DER.
constexpr std::string_view kPrivateHead("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20",
                                        16);
constexpr std::string_view kPublicHead("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12);

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string pem_text(const std::string& label, const std::string& der) {
  return "-----BEGIN " + label + "-----\n" + to_base64(der) + "\n-----END " + label + "-----\n";
}

std::string public_der(const PublicKey& key) {
  return std::string(kPublicHead) + std::string(key.bytes.begin(), key.bytes.end());
}

/// The 32 bytes of a PEM text whose DER has the given head.
std::array<std::uint8_t, 32> parse_pem(const std::string& name, const std::string& text,
                                       const std::string& label, std::string_view head) {
  const std::string begin = "-----BEGIN " + label + "-----";
  const std::string end = "-----END " + label + "-----";
  const std::size_t from = text.find(begin);
  const std::size_t to = text.find(end);
  std::string der;
  if (from != std::string::npos && to != std::string::npos && to > from)
    der = from_base64(join(split_words(text.substr(from + begin.size(), to - from - begin.size())), ""));
  if (der.size() != head.size() + 32 || !der.starts_with(head))
    throw Error(ErrorKind::failed, name + " holds no Ed25519 " + to_lower(label) + " in PEM form",
                "'alephc keygen FILE' makes a pair");
  std::array<std::uint8_t, 32> bytes{};
  std::copy(der.begin() + static_cast<std::ptrdiff_t>(head.size()), der.end(), bytes.begin());
  ::sodium_memzero(der.data(), der.size());
  return bytes;
}

void start_sodium() {
  check(::sodium_init() >= 0, "libsodium starts");
}

}  // namespace

std::string PublicKey::id() const {
  return sha256(public_der(*this)).hex();
}

PrivateKey::PrivateKey(const std::array<std::uint8_t, 32>& seed) {
  std::array<std::uint8_t, 32> key{};
  ::crypto_sign_seed_keypair(key.data(), secret_.data(), seed.data());
}

PrivateKey::~PrivateKey() {
  ::sodium_memzero(secret_.data(), secret_.size());
}

PublicKey PrivateKey::public_key() const {
  PublicKey key;
  std::copy(secret_.begin() + 32, secret_.end(), key.bytes.begin());
  return key;
}

std::string PrivateKey::sign(std::string_view data) const {
  std::string signature(crypto_sign_BYTES, '\0');
  ::crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr, bytes_of(data),
                         data.size(), secret_.data());
  return signature;
}

std::string PrivateKey::pem() const {
  return pem_text("PRIVATE KEY",
                  std::string(kPrivateHead) + std::string(secret_.begin(), secret_.begin() + 32));
}

PrivateKey generate_key() {
  start_sodium();
  std::array<std::uint8_t, 32> seed{};
  ::randombytes_buf(seed.data(), seed.size());
  return PrivateKey(seed);
}

PrivateKey read_private_key(const std::filesystem::path& file) {
  start_sodium();
  struct stat info {};
  if (::stat(file.c_str(), &info) == 0 && (info.st_mode & 077U) != 0)
    throw Error(ErrorKind::host, "the private key " + file.string() + " can be used by other users",
                "chmod 600 " + file.string() + ", or make another one if others had it");
  return PrivateKey(parse_pem(file.string(), read_named_file(file), "PRIVATE KEY", kPrivateHead));
}

std::string public_pem(const PublicKey& key) {
  return pem_text("PUBLIC KEY", public_der(key));
}

PublicKey parse_public_key(const std::string& name, const std::string& pem) {
  return {parse_pem(name, pem, "PUBLIC KEY", kPublicHead)};
}

bool is_signed_by(const PublicKey& key, std::string_view data, std::string_view signature) {
  return signature.size() == crypto_sign_BYTES &&
         ::crypto_sign_verify_detached(bytes_of(signature), bytes_of(data), data.size(), key.bytes.data()) ==
             0;
}

std::string from_base64(std::string_view text) {
  std::string out(text.size(), '\0');
  std::size_t size = 0;
  if (::sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(), text.size(),
                          nullptr, &size, nullptr, sodium_base64_VARIANT_ORIGINAL) != 0)
    return {};
  out.resize(size);
  return out;
}

}  // namespace alephc
