// SPDX-License-Identifier: MIT
#include "message/account.hpp"

#include <cstring>
#include <optional>

#include <secp256k1_recovery.h>
#include <sodium.h>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "message/ethereum.hpp"
#include "message/keccak.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;
using Secret = std::array<std::uint8_t, 32>;

std::string address_of_secret(const Secret& secret) {
  const EthereumContext context = make_ethereum_context();
  secp256k1_pubkey key{};
  if (secp256k1_ec_pubkey_create(context.get(), &key, secret.data()) != 1)
    throw Error(ErrorKind::usage, "the key is none of Ethereum's curve");
  return checksum_address(ethereum_address(context.get(), key));
}

/// Seed and public key, as libsodium signs with them.
std::array<unsigned char, crypto_sign_SECRETKEYBYTES> solana_keys(const Secret& seed,
                                                                  std::string& public_key) {
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret{};
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> key{};
  ::crypto_sign_seed_keypair(key.data(), secret.data(), seed.data());
  public_key.assign(reinterpret_cast<const char*>(key.data()), key.size());
  return secret;
}

std::string sign_ethereum(const Secret& secret, const std::string& text) {
  const EthereumContext context = make_ethereum_context();
  const auto hash = ethereum_message_hash(text);
  secp256k1_ecdsa_recoverable_signature signature{};
  check(secp256k1_ecdsa_sign_recoverable(context.get(), &signature, hash.data(), secret.data(), nullptr,
                                         nullptr) == 1,
        "secp256k1 signs with a key of its curve");
  std::array<unsigned char, 65> out{};
  int recovery = 0;
  secp256k1_ecdsa_recoverable_signature_serialize_compact(context.get(), out.data(), &recovery, &signature);
  out[64] = static_cast<unsigned char>(27 + recovery);
  return "0x" + to_hex(out);
}

std::string sign_solana(const Secret& seed, const std::string& address, const std::string& text) {
  std::string public_key;
  auto secret = solana_keys(seed, public_key);
  std::array<unsigned char, crypto_sign_BYTES> signature{};
  ::crypto_sign_detached(signature.data(), nullptr, reinterpret_cast<const unsigned char*>(text.data()),
                         text.size(), secret.data());
  ::sodium_memzero(secret.data(), secret.size());
  const Json json{
      {"publicKey", address},
      {"signature", encode_base58({reinterpret_cast<const char*>(signature.data()), signature.size()})}};
  return json_text(json);
}

std::string from_json_array(const std::string& text) {
  const auto json = parse_json(text);
  std::string bytes;
  if (!json.is_array()) return bytes;
  for (const auto& item : json) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > 255) return {};
    bytes += static_cast<char>(item.get<unsigned>());
  }
  return bytes;
}

std::string from_hex(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  const auto digest = Digest::from_hex(to_lower(text));
  return digest ? std::string(reinterpret_cast<const char*>(digest->bytes.data()), 32) : std::string();
}

struct ParsedSecret {
  Secret bytes{};
  bool has_public_half = false;  ///< as Solana's tools write it
};

/// 32 bytes, or 64 of which the second half is the public key.
std::optional<ParsedSecret> parse_secret(const std::string& text) {
  std::string bytes = text;
  if (bytes.size() != 32 && bytes.size() != 64) bytes.clear();
  const std::string bare(trim(text));
  if (const std::string hex = from_hex(bare); !hex.empty()) bytes = hex;
  if (bytes.empty() && bare.starts_with('[')) bytes = from_json_array(bare);
  if (bytes.empty()) bytes = decode_base58(bare);
  if (bytes.size() != 32 && bytes.size() != 64) return std::nullopt;
  ParsedSecret secret{.has_public_half = bytes.size() == 64};
  std::memcpy(secret.bytes.data(), bytes.data(), secret.bytes.size());
  ::sodium_memzero(bytes.data(), bytes.size());
  return secret;
}

fs::path client_folder() {
  if (const std::string set = environment("ALEPH_CONFIG_HOME"); !set.empty()) return set;
  if (const std::string data = environment("XDG_DATA_HOME"); !data.empty())
    return fs::path(data) / ".aleph-im";
  return home_folder() / ".aleph-im";
}

SortedJson client_config() {
  const auto text = read_file_if_exists(client_folder() / "config.json");
  return parse_json(text.value_or(""));
}

/// The chains of Ethereum's kind have its keys and signatures.
std::string client_chain() {
  const std::string chain = text_at(client_config(), "chain");
  return chain.empty() || is_ethereum_like(chain) ? "ETH" : chain;
}

fs::path client_key() {
  const SortedJson config = client_config();
  if (text_at(config, "type") == "hardware")
    throw Error(ErrorKind::usage, "the active key of the network's client is on a hardware wallet",
                "sign with a key file: --key FILE");
  if (const std::string path = text_at(config, "path"); !path.empty()) return path;
  for (const char* name : {"private-keys/default.key", "private-keys/ethereum.key"})
    if (const fs::path file = client_folder() / name; fs::exists(file)) return file;
  return {};
}

struct KeyText {
  std::string where{};
  std::string text{};
};

KeyText find_key(const AccountRequest& request) {
  const auto from_file = [](const fs::path& file) { return KeyText{file.string(), read_named_file(file)}; };
  if (!request.file.empty()) return from_file(request.file);
  for (const char* name : {"ALEPH_PRIVATE_KEY_STRING", "ALEPH_PRIVATE_KEY"})
    if (std::string text = environment(name); !text.empty()) return {name, std::move(text)};
  if (const std::string file = environment("ALEPH_PRIVATE_KEY_FILE"); !file.empty()) return from_file(file);
  if (!request.fallback_file.empty()) return from_file(request.fallback_file);
  if (const fs::path file = client_key(); !file.empty()) return from_file(file);
  throw Error(ErrorKind::usage, "there is no key to sign with",
              "--key FILE, ALEPH_PRIVATE_KEY_FILE, or the key of the network's client in " +
                  (client_folder() / "private-keys").string());
}

}  // namespace

std::string checksum_address(const std::string& lower_hex) {
  const auto digest = keccak256(lower_hex);
  std::string out = "0x";
  for (std::size_t i = 0; i < lower_hex.size(); ++i) {
    const unsigned nibble = (digest[i / 2] >> (i % 2 == 0 ? 4U : 0U)) & 15U;
    const char c = lower_hex[i];
    out += c >= 'a' && nibble >= 8 ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return out;
}

Account::Account(std::string chain, const Secret& secret) : chain_(std::move(chain)), secret_(secret) {
  check(::sodium_init() >= 0, "libsodium starts");
  if (chain_ == "ETH") {
    address_ = address_of_secret(secret_);
  } else if (chain_ == "SOL") {
    std::string public_key;
    auto keys = solana_keys(secret_, public_key);
    ::sodium_memzero(keys.data(), keys.size());
    address_ = encode_base58(public_key);
  } else {
    throw Error(ErrorKind::usage, "messages cannot be signed for the chain '" + chain_ + "'",
                "one of: ETH, SOL");
  }
}

Account::~Account() {
  ::sodium_memzero(secret_.data(), secret_.size());
}

std::string Account::sign(const std::string& text) const {
  return chain_ == "ETH" ? sign_ethereum(secret_, text) : sign_solana(secret_, address_, text);
}

Account load_account(const AccountRequest& request) {
  KeyText key = find_key(request);
  auto secret = parse_secret(key.text);
  ::sodium_memzero(key.text.data(), key.text.size());
  if (!secret)
    throw Error(ErrorKind::usage, key.where + " holds no private key",
                "32 raw bytes, 64 hex digits, base 58, or a JSON array of 64 numbers");
  if (!secret->has_public_half)
    return {request.chain.empty() ? client_chain() : request.chain, secret->bytes};
  if (!request.chain.empty() && request.chain != "SOL")
    throw Error(ErrorKind::usage, key.where + " holds a key of Solana, with its public half",
                "sign with --chain SOL");
  return {"SOL", secret->bytes};
}

}  // namespace alephc
