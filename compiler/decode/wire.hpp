// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tree/entry.hpp"

namespace alephc {

/// What the decoding child says to its parent over a pipe: messages of one tag byte, a little-endian 32-bit
/// length and that many bytes.
enum class WireTag : std::uint8_t {
  owner = 'O',
  entry = 'E',
  data = 'D',
  end_entry = 'X',
  end_member = 'M',
  finished = 'F',
  failed = '!',
  not_started = '?'  ///< the machine's fault, not the archive's
};

inline constexpr std::uint32_t kWireDataLimit = 256 * 1024;
inline constexpr std::uint32_t kWireLimit = 1024 * 1024;  ///< of any message

void put_message(std::string& out, WireTag tag, std::string_view payload);
/// Takes the first message off; false if there is no whole one.
[[nodiscard]] bool next_message(std::string_view& rest, WireTag& tag, std::string_view& payload);

/// Collects messages and writes them in large pieces.
class WireWriter {
 public:
  explicit WireWriter(int fd) : fd_(fd) {}
  void put(WireTag tag, std::string_view payload);
  void flush();

 private:
  int fd_;
  std::string buffer_;
};

class WireReader {
 public:
  explicit WireReader(int fd) : fd_(fd) {}
  /// False at the end of the stream. The payload stays valid until the next call.
  bool get(WireTag& tag, std::string_view& payload);

 private:
  static constexpr std::size_t kRoom = kWireLimit + 1024;  // for any message with its head

  bool fill(std::size_t wanted);

  int fd_;
  // Not zeroed: most archives are small, and new memory costs more than what they need of it.
  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kRoom);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

[[nodiscard]] std::string pack_entry(const std::string& member, const Entry& entry);
/// Throws an integrity Error when the text is not a packed entry.
void unpack_entry(std::string_view payload, std::string& member, Entry& entry);

[[nodiscard]] std::string pack_names(const std::string& user, const std::string& group);
/// Throws as unpack_entry does.
void unpack_names(std::string_view payload, std::string& user, std::string& group);

[[nodiscard]] std::string pack_member_end(const std::string& member, std::uint64_t end);
/// Throws as unpack_entry does.
void unpack_member_end(std::string_view payload, std::string& member, std::uint64_t& end);

}  // namespace alephc
