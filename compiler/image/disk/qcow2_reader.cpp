// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "image/content_reader.hpp"
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

class Qcow2Reader {
 public:
  Qcow2Reader(const std::filesystem::path& path, const std::filesystem::path& disk)
      : file_(open_file(path, O_RDONLY)), disk_(open_file(disk, O_WRONLY | O_CREAT | O_EXCL, 0600)) {}

  void run() {
    read_header();
    if (::ftruncate(disk_.get(), static_cast<off_t>(size_)) != 0)
      throw system_error("unpack the image", errno);
    const std::uint64_t entries = cluster_ / 8;
    for (std::uint64_t i = 0; i * entries * cluster_ < size_; ++i) {
      const std::uint64_t table = big(read(level1_at_ + i * 8, 8)) & kOffset;
      if (table != 0) unpack_table(read(table, cluster_), i * entries * cluster_);
    }
  }

 private:
  static constexpr std::uint64_t kOffset = 0x00fffffffffffe00ULL;

  [[nodiscard]] std::string read(std::uint64_t at, std::uint64_t size) const {
    std::string bytes(size, '\0');
    if (read_at(file_.get(), at, bytes) != static_cast<ssize_t>(size)) damaged();
    return bytes;
  }

  void read_header() {
    const std::string header = read(0, 112);
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
    cluster_ = 1ULL << bits;
    size_ = number(24, 8);
    level1_at_ = number(40, 8);
    zstd_ = (features & kOtherCompression) != 0 && number(104, 1) == 1;
    constexpr std::uint64_t kMostBytes = 1ULL << 44U;
    if (size_ > kMostBytes ||
        (size_ + cluster_ * cluster_ / 8 - 1) / (cluster_ * cluster_ / 8) > number(36, 4))
      damaged();
  }

  void unpack_table(const std::string& table, std::uint64_t start) const {
    for (std::uint64_t i = 0; i * 8 < table.size(); ++i) {
      const std::uint64_t entry = big(std::string_view(table).substr(i * 8, 8));
      const std::uint64_t at = start + i * cluster_;
      if (at >= size_) return;
      constexpr std::uint64_t kCompressed = 1ULL << 62U;
      constexpr std::uint64_t kZero = 1;
      std::string bytes;
      if ((entry & kCompressed) != 0)
        bytes = unpacked(entry & (kCompressed - 1));
      else if ((entry & kZero) == 0 && (entry & kOffset) != 0)
        bytes = read(entry & kOffset, cluster_);
      if (is_zeros(bytes)) continue;
      bytes.resize(std::min<std::uint64_t>(bytes.size(), size_ - at));
      write_all_at(disk_.get(), at, bytes);
    }
  }

  [[nodiscard]] std::string unpacked(std::uint64_t entry) const {
    const unsigned shift = 62 - (cluster_bits_ - 8);
    const std::uint64_t at = entry & ((1ULL << shift) - 1);
    constexpr std::uint64_t kSector = 512;
    std::string packed(((entry >> shift) + 1) * kSector - at % kSector, '\0');
    const ssize_t got = read_at(file_.get(), at, packed);
    if (got <= 0) damaged();
    packed.resize(static_cast<std::size_t>(got));
    return zstd_ ? from_zstd(packed) : from_deflate(packed);
  }

  [[nodiscard]] std::string from_zstd(const std::string& packed) const {
    std::string bytes = unpack_zstd_frame(packed, cluster_);
    if (bytes.size() != cluster_) damaged();
    return bytes;
  }

  [[nodiscard]] std::string from_deflate(const std::string& packed) const {
    constexpr int kRawDeflate = -15;
    std::string bytes(cluster_, '\0');
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

  UniqueFd file_;
  UniqueFd disk_;
  unsigned cluster_bits_ = 0;
  std::uint64_t cluster_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t level1_at_ = 0;
  bool zstd_ = false;
};

}  // namespace

std::uint64_t qcow2_disk_size(const std::filesystem::path& path) {
  std::string size(8, '\0');
  if (read_at(open_file(path, O_RDONLY).get(), 24, size) != 8) damaged();
  return big(size);
}

void unpack_qcow2(const std::filesystem::path& path, const std::filesystem::path& disk) {
  Qcow2Reader(path, disk).run();
}

}  // namespace alephc
