// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

struct evp_md_st;      // of libcrypto
struct evp_md_ctx_st;  // of libcrypto

namespace alephc {

/// A SHA-256 value. Ordered by bytes.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] std::string hex() const;                                       ///< 64 lower-case digits
  [[nodiscard]] bool is_zero() const { return *this == Digest{}; }             ///< "no digest" in data types
  [[nodiscard]] static std::optional<Digest> from_hex(std::string_view text);  ///< strict: lower case only
};

/// For unordered containers: a digest is as good a hash as there is.
struct DigestHash {
  std::size_t operator()(const Digest& digest) const {
    std::size_t value = 0;
    std::memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};

/// A hash of libcrypto's (uses SHA-NI where the CPU has it) under way.
class HashState {
 public:
  explicit HashState(const evp_md_st* algorithm);
  ~HashState();
  HashState(HashState&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
  HashState& operator=(HashState&& other) noexcept {
    std::swap(context_, other.context_);
    return *this;
  }
  void copy_from(const HashState& other);
  void update(std::string_view data);
  void finish(std::uint8_t* out);  ///< starts again afterwards

 private:
  evp_md_ctx_st* context_;
};

/// Streaming SHA-256.
class Sha256 {
 public:
  Sha256();
  [[nodiscard]] Sha256 copy() const;  ///< goes on from where this one is
  void update(std::string_view data) { state_.update(data); }
  [[nodiscard]] Digest finish();  ///< the object starts again afterwards

 private:
  HashState state_;
};

/// Streaming SHA-1, for formats that ask for it; never for trust.
class Sha1 {
 public:
  Sha1();
  void update(std::string_view data) { state_.update(data); }
  [[nodiscard]] std::string finish();  ///< 20 bytes; the object starts again afterwards

 private:
  HashState state_;
};

/// Streaming MD5, for dpkg's lists; never for trust.
class Md5 {
 public:
  Md5();
  void update(std::string_view data) { state_.update(data); }
  [[nodiscard]] std::string finish();  ///< 32 lower-case digits; the object starts again afterwards

 private:
  HashState state_;
};

[[nodiscard]] Digest sha256(std::string_view data);
[[nodiscard]] Digest sha256_fd(int fd);  ///< from the current offset to the end
[[nodiscard]] Digest sha256_file(const std::filesystem::path& path);

/// The 20 bytes of SHA-1.
[[nodiscard]] std::string sha1_bytes(std::string_view data);

/// Whether bytes are those of a subresource integrity text: "sha512-BASE64", sha384 and sha256 likewise; of
/// several, separated by blanks, the strongest counts. (W3C, "Subresource Integrity")
[[nodiscard]] bool has_integrity(int fd, std::string_view integrity);  ///< reads from the start
/// The strongest of an integrity text, or nothing if there is none that is known.
[[nodiscard]] std::string strongest_integrity(std::string_view integrity);

[[nodiscard]] std::string to_base64(std::string_view bytes);  ///< RFC 4648, padded
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace alephc
