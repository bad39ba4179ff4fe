// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>

#include <zlib.h>

#include "base/diagnostic.hpp"
#include "image/disk/qcow2.hpp"
#include "image/zstd_frame.hpp"

namespace alephc {
namespace {

[[noreturn]] void damaged() {
  throw Error(ErrorKind::integrity, "the qcow2 image is damaged");
}

std::uint64_t big(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = (value << 8U) | static_cast<std::uint8_t>(c);
  return value;
}

std::string inflated(const std::string& packed, std::uint64_t size) {
  constexpr int kRawDeflate = -15;
  std::string bytes(size, '\0');
  z_stream stream{};
  if (::inflateInit2(&stream, kRawDeflate) != Z_OK) damaged();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  ::inflate(&stream, Z_FINISH);
  const bool whole = stream.total_out == bytes.size();
  ::inflateEnd(&stream);
  if (!whole) damaged();
  return bytes;
}

constexpr std::uint64_t kOffset = 0x00fffffffffffe00ULL;

}  // namespace

Qcow2Source::Qcow2Source(const ByteSource& file) : file_(file) {
  read_header();
}

std::string Qcow2Source::part(std::uint64_t at, std::uint64_t size) const {
  std::string bytes = file_.bytes(at, size);
  if (bytes.size() != size) damaged();
  return bytes;
}

void Qcow2Source::read_header() {
  const std::string header = part(0, 112);
  const auto number = [&](std::size_t at, std::size_t size) {
    return big(std::string_view(header).substr(at, size));
  };
  const std::uint64_t version = number(4, 4);
  const std::uint64_t bits = number(20, 4);
  if (version < 2 || version > 3 || bits < 9 || bits > 21) damaged();
  constexpr std::uint64_t kDirty = 1;
  constexpr std::uint64_t kOtherCompression = 8;
  const std::uint64_t features = version == 3 ? number(72, 8) : 0;
  if (number(8, 8) != 0 || number(32, 4) != 0 || (features & ~(kDirty | kOtherCompression)) != 0)
    throw Error(ErrorKind::failed, "the qcow2 image needs a backing file, a key or another file beside it",
                "unpack it first: qemu-img convert -O raw");
  cluster_bits_ = static_cast<unsigned>(bits);
  cluster_size_ = 1ULL << bits;
  size_ = number(24, 8);
  level1_at_ = number(40, 8);
  zstd_ = (features & kOtherCompression) != 0 && number(104, 1) == 1;
  constexpr std::uint64_t kMostBytes = 1ULL << 44U;
  const std::uint64_t per_table = cluster_size_ * cluster_size_ / 8;
  if (size_ > kMostBytes || (size_ + per_table - 1) / per_table > number(36, 4)) damaged();
}

/// The level-2 table that a cluster is in; empty for one that is all zeros.
std::shared_ptr<const std::string> Qcow2Source::table(std::uint64_t number) const {
  {
    const std::lock_guard guard(mutex_);
    if (table_.number == number) return table_.bytes;
  }
  const std::uint64_t at = big(part(level1_at_ + number * 8, 8)) & kOffset;
  auto bytes = std::make_shared<const std::string>(at == 0 ? std::string() : part(at, cluster_size_));
  const std::lock_guard guard(mutex_);
  table_ = {number, bytes};
  return bytes;
}

std::string Qcow2Source::load_cluster(std::uint64_t number) const {
  const std::uint64_t entries = cluster_size_ / 8;
  const auto list = table(number / entries);
  if (list->empty()) return {};
  const std::uint64_t entry = big(std::string_view(*list).substr(number % entries * 8, 8));
  constexpr std::uint64_t kCompressed = 1ULL << 62U;
  constexpr std::uint64_t kZero = 1;
  if ((entry & kCompressed) != 0) return unpacked(entry & (kCompressed - 1));
  if ((entry & kZero) != 0 || (entry & kOffset) == 0) return {};
  return part(entry & kOffset, cluster_size_);
}

/// Empty for one that is all zeros.
std::shared_ptr<const std::string> Qcow2Source::cluster(std::uint64_t number) const {
  {
    const std::lock_guard guard(mutex_);
    for (const Piece& piece : clusters_)
      if (piece.number == number) return piece.bytes;
  }
  auto bytes = std::make_shared<const std::string>(load_cluster(number));
  const std::lock_guard guard(mutex_);
  clusters_[next_] = {number, bytes};
  next_ = (next_ + 1) % clusters_.size();
  return bytes;
}

std::size_t Qcow2Source::read(std::uint64_t at, std::span<char> buffer) const {
  if (at >= size_) return 0;
  const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), size_ - at);
  for (std::size_t done = 0; done < wanted;) {
    const std::uint64_t place = at + done;
    const std::uint64_t inside = place % cluster_size_;
    const std::size_t count = std::min<std::uint64_t>(wanted - done, cluster_size_ - inside);
    const auto bytes = cluster(place / cluster_size_);
    if (bytes->empty())
      std::memset(buffer.data() + done, 0, count);
    else
      std::memcpy(buffer.data() + done, bytes->data() + inside, count);
    done += count;
  }
  return wanted;
}

std::string Qcow2Source::unpacked(std::uint64_t entry) const {
  const unsigned shift = 62 - (cluster_bits_ - 8);
  const std::uint64_t at = entry & ((1ULL << shift) - 1);
  constexpr std::uint64_t kSector = 512;
  std::string packed(((entry >> shift) + 1) * kSector - at % kSector, '\0');
  packed.resize(file_.read(at, packed));
  if (packed.empty()) damaged();
  std::string bytes = zstd_ ? unpack_zstd_frame(packed, cluster_size_) : inflated(packed, cluster_size_);
  if (bytes.size() != cluster_size_) damaged();
  return bytes;
}

}  // namespace alephc
