// SPDX-License-Identifier: MIT
// The reader of btrfs images on whatever bytes. A filesystem is mostly zeros between pieces that lie far apart, so an input
// is a list of pieces: where in units of 4 KiB (4 bytes), how many units (2 bytes), the bytes; the rest is zeros.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"
#include "image/byte_source.hpp"
#include "image/image_format.hpp"
#include "image/read_budget.hpp"

namespace {

constexpr std::uint64_t kUnit = 4096;
constexpr std::uint64_t kDevice = 48ULL << 20U;

class Pieces : public alephc::ByteSource {
 public:
  explicit Pieces(std::string_view input) {
    while (input.size() >= 6) {
      const std::uint64_t at = alephc::read_little(input.substr(0, 4)) * kUnit;
      const std::uint64_t wanted = alephc::read_little(input.substr(4, 2)) * kUnit;
      input.remove_prefix(6);
      pieces_.push_back({at, input.substr(0, wanted)});
      input.remove_prefix(std::min<std::size_t>(input.size(), wanted));
    }
  }

  [[nodiscard]] std::size_t read(std::uint64_t at, std::span<char> buffer) const override {
    if (at >= kDevice) return 0;
    const std::uint64_t count = std::min<std::uint64_t>(buffer.size(), kDevice - at);
    std::memset(buffer.data(), 0, count);
    for (const auto& [start, bytes] : pieces_) {
      const std::uint64_t begin = std::max(at, start);
      const std::uint64_t end = std::min(at + count, start + bytes.size());
      if (begin < end) std::memcpy(buffer.data() + (begin - at), bytes.data() + (begin - start), end - begin);
    }
    return count;
  }
  [[nodiscard]] std::uint64_t size() const override { return kDevice; }

 private:
  struct Piece {
    std::uint64_t at;
    std::string_view bytes;
  };
  std::vector<Piece> pieces_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace alephc;
  const Pieces image(std::string_view(reinterpret_cast<const char*>(data), size));
  try {
    ReadBudget budget(size);
    (void)image_format("btrfs").read(image, {.wanted = [](const std::string&) { return true; }}, budget);
  } catch (const Error&) {
    // Refused.
  }
  return 0;
}
