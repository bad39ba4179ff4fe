// SPDX-License-Identifier: MIT
#include "distro/alpine/signature.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "decode/decode.hpp"

namespace alephc::alpine {
namespace {

constexpr std::size_t kFingerprintDigits = 40;
constexpr std::uint64_t kMaxText = 512ULL << 20U;

using PublicKey = std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)>;

PublicKey read_key(const Key& key) {
  const std::unique_ptr<BIO, decltype(&::BIO_free)> bio(
      ::BIO_new_mem_buf(key.pem.data(), static_cast<int>(key.pem.size())), &::BIO_free);
  PublicKey parsed(::PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr), &::EVP_PKEY_free);
  if (!parsed) throw Error(ErrorKind::failed, "the key " + key.name + " is not a public key in PEM");
  return parsed;
}

struct Algorithm {
  const char* prefix;
  const EVP_MD* (*hash)();
};
constexpr std::array kAlgorithms{Algorithm{".SIGN.RSA.", &::EVP_sha1},
                                 Algorithm{".SIGN.RSA256.", &::EVP_sha256},
                                 Algorithm{".SIGN.RSA512.", &::EVP_sha512}};

struct Signature {
  std::string key_name{};
  const EVP_MD* hash = nullptr;
  std::string bytes{};
};

/// Collects files of a tar by name.
class FilesSink : public ArchiveSink {
 public:
  struct File {
    std::string name{};
    std::int64_t time = 0;
    std::string text{};
  };

  void begin_entry(const std::string& /*member*/, Entry entry) override {
    constexpr std::size_t kMost = 1000;  // an index has two files and a few signatures
    if (files.size() == kMost) throw Error(ErrorKind::integrity, "it holds more files than an index has");
    files.push_back({.name = entry.path, .time = entry.mtime});
  }
  void data(std::string_view bytes) override {
    total_ += bytes.size();
    if (total_ > kMaxText) throw Error(ErrorKind::integrity, "decompresses to more than 512 MB");
    files.back().text += bytes;
  }
  void end_entry() override {}
  void end_member(const std::string& member, std::uint64_t end) override {
    if (member == "signature") signature_end = end;
  }

  std::vector<File> files;
  std::optional<std::uint64_t> signature_end;

 private:
  std::uint64_t total_ = 0;
};

FilesSink decode_bytes(std::string_view bytes, ArchiveKind kind) {
  const UniqueFd file(::memfd_create("index", MFD_CLOEXEC));
  if (!file) throw system_error("make a file in memory", errno);
  write_all(file.get(), bytes);
  ::lseek(file.get(), 0, SEEK_SET);
  FilesSink sink;
  decode_archive(file.get(), kind, sink);
  return sink;
}

std::vector<Signature> signatures_in(const FilesSink& sink) {
  std::vector<Signature> found;
  for (const FilesSink::File& file : sink.files)
    for (const Algorithm& algorithm : kAlgorithms)
      if (file.name.starts_with(algorithm.prefix))
        found.push_back(
            {file.name.substr(std::string_view(algorithm.prefix).size()), algorithm.hash(), file.text});
  return found;
}

bool is_good(const Signature& signature, const Key& key, std::string_view bytes) {
  const PublicKey parsed = read_key(key);
  const std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)> context(::EVP_MD_CTX_new(),
                                                                          &::EVP_MD_CTX_free);
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* signed_hash = reinterpret_cast<const unsigned char*>(signature.bytes.data());
  return ::EVP_PKEY_get_base_id(parsed.get()) == EVP_PKEY_RSA &&
         ::EVP_DigestVerifyInit(context.get(), nullptr, signature.hash, nullptr, parsed.get()) == 1 &&
         ::EVP_DigestVerify(context.get(), signed_hash, signature.bytes.size(), data, bytes.size()) == 1;
}

/// The key that made a good signature.
const Key& find_signer(const std::vector<Signature>& signatures, const std::vector<Key>& keys,
                       std::string_view bytes, const std::string& label) {
  std::vector<std::string> named;
  for (const Signature& signature : signatures) {
    named.push_back(signature.key_name);
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [&](const Key& each) { return each.name == signature.key_name; });
    if (key == keys.end()) continue;
    if (is_good(signature, *key, bytes)) return *key;
    throw Error(ErrorKind::integrity, "the index of " + label + " has a bad signature by " + key->name,
                "the mirror is broken or tampered with: try another one with --mirror");
  }
  Diagnostic problem{.message = "the index of " + label + " is signed by a key that is not trusted"};
  problem.context.push_back("signed by " + join(named, ", "));
  for (const Key& key : keys) problem.context.push_back("trusted:  " + key.name);
  problem.hint =
      "is it the right repository? its key goes into 'keyring' of [base] or 'key' of [[repository]]";
  throw Error(ErrorKind::integrity, std::move(problem));
}

}  // namespace

std::string fingerprint_of(const Key& key) {
  const PublicKey parsed = read_key(key);
  unsigned char* der = nullptr;
  const int size = ::i2d_PUBKEY(parsed.get(), &der);
  check(size > 0, "a public key has a DER form");
  std::string hex = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)}).hex();
  ::OPENSSL_free(der);
  hex.resize(kFingerprintDigits);
  std::transform(hex.begin(), hex.end(), hex.begin(),
                 [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  return hex;
}

SignedIndex verify_index(const std::string& bytes, const std::vector<Key>& keys, const std::string& label) {
  return with_context("reading the index of " + label, [&] {
    const FilesSink head = decode_bytes(bytes, ArchiveKind::tar_members_signature);
    const std::vector<Signature> signatures = signatures_in(head);
    if (signatures.empty() || !head.signature_end || *head.signature_end > bytes.size())
      throw Error(ErrorKind::integrity, "the index of " + label + " is not signed");
    const std::string_view covered = std::string_view(bytes).substr(*head.signature_end);
    const Key& key = find_signer(signatures, keys, covered, label);
    FilesSink body = decode_bytes(covered, ArchiveKind::archive);
    for (FilesSink::File& file : body.files)
      if (file.name == "APKINDEX") return SignedIndex{std::move(file.text), file.time, fingerprint_of(key)};
    throw Error(ErrorKind::integrity, "the index of " + label + " holds no APKINDEX");
  });
}

}  // namespace alephc::alpine
