// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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

/// Streaming SHA-256 through libcrypto (uses SHA-NI where the CPU has it).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  [[nodiscard]] Sha256 copy() const;  ///< goes on from where this one is
  void update(std::string_view data);
  [[nodiscard]] Digest finish();  ///< the object starts anew afterwards

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] Digest sha256(std::string_view data);
[[nodiscard]] Digest sha256_fd(int fd);  ///< from the current offset to the end
[[nodiscard]] Digest sha256_file(const std::filesystem::path& path);

/// The 20 bytes of SHA-1, for formats that ask for it; never for trust.
[[nodiscard]] std::string sha1_bytes(std::string_view data);

[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace alephc
