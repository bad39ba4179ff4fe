// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace alephc {

/// Decompresses an .xz file, of one stream or several, with alephc's own liblzma: libarchive's is the machine's, and that of
/// Debian 12 takes 1.4 times as long. Throws std::runtime_error when the bytes are damaged or cut off.
class XzStream {
 public:
  /// Compressed bytes, as many as there are up to the buffer's size; 0 at the end.
  using Source = std::function<std::size_t(std::span<char> buffer)>;
  static constexpr std::string_view kMagic{
      "\xfd"
      "7zXZ\0",
      6};

  explicit XzStream(Source source);
  ~XzStream();
  XzStream(const XzStream&) = delete;
  XzStream& operator=(const XzStream&) = delete;

  /// Decompressed bytes; fewer than asked for only at the end.
  std::size_t read(std::span<char> buffer);

 private:
  struct State;  // of liblzma

  Source source_;
  std::unique_ptr<State> state_;
  std::vector<char> input_;
  bool input_ended_ = false;
  bool ended_ = false;
};

}  // namespace alephc
