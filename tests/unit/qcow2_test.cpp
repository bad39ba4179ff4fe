// SPDX-License-Identifier: MIT
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "image/byte_source.hpp"
#include "image/disk/qcow2.hpp"
#include "image/image_format.hpp"
#include "image/read_budget.hpp"
#include "image/zstd_frame.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

constexpr std::uint64_t kCluster = 65536;
constexpr std::uint64_t kCompressed = 1ULL << 62U;
constexpr std::uint64_t kCopied = 1ULL << 63U;

std::uint64_t big(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = (value << 8U) | static_cast<std::uint8_t>(c);
  return value;
}
std::uint64_t big_at(std::string_view bytes, std::uint64_t at, std::size_t size = 8) {
  return big(bytes.substr(at, size));
}
void set_big(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size = 8) {
  for (std::size_t i = 0; i < size; ++i)
    bytes.at(at + i) = static_cast<char>((value >> (8 * (size - 1 - i))) & 0xffU);
}

std::string packed(const std::string& disk, const std::string& compression) {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  atomic_write(temp.path() / "disk", disk);
  WriteOptions options;
  options.image.compression = compression;
  pack_qcow2(temp.path() / "disk", options, temp.path() / "image");
  return read_file(temp.path() / "image");
}

std::string unpacked(const std::string& image) {
  const MemorySource file(image);
  const Qcow2Source disk(file);
  return disk.bytes(0, disk.size());
}

/// Where the entry of a cluster is in the table of the second level.
std::size_t entry_at(const std::string& image, std::uint64_t cluster) {
  const std::uint64_t table = big_at(image, big_at(image, 40)) & 0x00fffffffffffe00ULL;
  return table + cluster * 8;
}

/// How often the tables of an image refer to each of its clusters.
std::vector<unsigned> uses_of(const std::string& image) {
  std::vector<unsigned> uses(image.size() / kCluster);
  const auto use = [&](std::uint64_t at, std::uint64_t size) {
    for (std::uint64_t i = at / kCluster; i <= (at + size - 1) / kCluster; ++i) ++uses.at(i);
  };
  use(0, kCluster);
  use(big_at(image, 40), kCluster);
  use(big_at(image, 48), kCluster);
  use(big_at(image, big_at(image, 48)), kCluster);
  use(entry_at(image, 0), kCluster);
  for (std::uint64_t i = 0; i < kCluster / 8; ++i) {
    const std::uint64_t entry = big_at(image, entry_at(image, i));
    const std::uint64_t at = entry & ((1ULL << 54U) - 1);
    const std::uint64_t sectors = ((entry >> 54U) & 0xffU) + 1;
    if ((entry & kCompressed) != 0)
      use(at / 512 * 512, sectors * 512);
    else if (entry != 0)
      use(entry & ~kCopied, kCluster);
  }
  return uses;
}

std::vector<unsigned> counts_in(const std::string& image) {
  std::vector<unsigned> counts;
  const std::uint64_t block = big_at(image, big_at(image, 48));
  for (std::uint64_t i = 0; i < image.size() / kCluster; ++i)
    counts.push_back(static_cast<unsigned>(big_at(image, block + 2 * i, 2)));
  return counts;
}

/// Text that compresses, then bytes that do not, then zeros, and half a cluster at the end.
std::string mixed_disk() {
  std::string disk(kCluster, 't');
  std::uint64_t random = 1;
  for (std::size_t i = 0; i < kCluster; ++i) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    disk += static_cast<char>(random >> 56U);
  }
  disk += std::string(2 * kCluster, '\0');
  return disk + std::string(kCluster / 2, 'e');
}

}  // namespace

TEST_CASE("a disk of zeros has no clusters of its own, only header, mapping and counts") {
  const std::string image = packed(std::string(20 * kCluster, '\0'), "zstd");
  CHECK(image.size() == 4 * kCluster);
  CHECK((unpacked(image) == std::string(20 * kCluster, '\0')));
  const std::string none = packed("", "zstd");
  const MemorySource file(none);
  CHECK(Qcow2Source(file).size() == 0);
}

TEST_CASE("what compression gains nothing from lies on its own cluster, and zeros nowhere") {
  const std::string image = packed(mixed_disk(), "gzip");
  const std::uint64_t text = big_at(image, entry_at(image, 0));
  const std::uint64_t random = big_at(image, entry_at(image, 1));
  CHECK((text & kCompressed) != 0);
  CHECK((random & kCompressed) == 0);
  CHECK((random & kCopied) != 0);
  CHECK((random & ~kCopied) % kCluster == 0);
  CHECK(big_at(image, entry_at(image, 2)) == 0);
  const std::string plain = packed(mixed_disk(), "none");
  CHECK((big_at(plain, entry_at(plain, 0)) & kCompressed) == 0);
}

TEST_CASE("every cluster of a qcow2 is counted as often as it is used") {
  for (const char* compression : {"zstd", "gzip", "none"}) {
    CAPTURE(compression);
    const std::string image = packed(mixed_disk(), compression);
    REQUIRE(image.size() % kCluster == 0);
    CHECK(counts_in(image) == uses_of(image));
  }
}

TEST_CASE("a qcow2 is read at any place, across clusters of every kind and not beyond its end") {
  const std::string disk = mixed_disk();
  for (const char* compression : {"zstd", "gzip", "none"}) {
    const std::string image = packed(disk, compression);
    const MemorySource file(image);
    const Qcow2Source source(file);
    REQUIRE(source.size() == disk.size());
    for (const std::uint64_t at : {std::uint64_t{0}, kCluster - 1, 2 * kCluster - 10, 4 * kCluster - 5}) {
      CAPTURE(compression, at);
      CHECK((source.bytes(at, 100) == disk.substr(at, 100)));
    }
    std::string tail(1000, '?');
    CHECK(source.read(disk.size() - 10, tail) == 10);
    CHECK(tail.substr(0, 10) == "eeeeeeeeee");
    CHECK(source.read(disk.size(), tail) == 0);
    CHECK(source.bytes(disk.size() - 10, 11).empty());
  }
}

TEST_CASE("a qcow2 that needs another file, a key or a feature that is not known is refused as such") {
  struct Case {
    const char* what;
    std::size_t at;
    std::uint64_t value;
    std::size_t size;
  };
  const std::string good = packed(mixed_disk(), "gzip");
  for (const Case& each : {Case{"backing file", 8, 120, 8}, Case{"AES", 32, 1, 4}, Case{"LUKS", 32, 2, 4},
                           Case{"corrupt", 72, 2, 8}, Case{"external data", 72, 4, 8},
                           Case{"extended entries", 72, 16, 8}, Case{"unknown", 72, 1ULL << 63U, 8}}) {
    CAPTURE(each.what);
    std::string image = good;
    set_big(image, each.at, each.value, each.size);
    // Nothing but the header may be looked at before: the rest is not there.
    image.resize(112);
    const auto open = [&] {
      const MemorySource file(image);
      const Qcow2Source source(file);
    };
    CHECK(error_kind(open) == ErrorKind::failed);
    CHECK(error_text(open) == "the qcow2 image needs a backing file, a key or another file beside it\n"
                              "unpack it first: qemu-img convert -O raw\n");
  }
}

TEST_CASE("an overlay names its backing file, and is not read without it") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  make_overlay("/images/base.img", 3ULL << 30U, temp.path() / "overlay");
  const std::string image = read_file(temp.path() / "overlay");
  CHECK(image_format_of(temp.path() / "overlay") == "qcow2");
  CHECK(image.substr(big_at(image, 8), big_at(image, 16, 4)) == "/images/base.img");
  CHECK(big_at(image, 24) == 3ULL << 30U);
  CHECK(big_at(image, 36, 4) == 6);  // a table of the second level is for 512 MiB
  CHECK(error_kind([&] { (void)read_image(temp.path() / "overlay", {}); }) == ErrorKind::failed);
  CHECK(error_kind([&] { make_overlay("/x", 1, temp.path() / "overlay"); }).has_value());
  CHECK(error_kind([&] { make_overlay("/x", 1ULL << 43U, temp.path() / "large"); }) == ErrorKind::failed);
  CHECK(error_kind([&] { make_overlay("/" + std::string(1023, 'x'), 1, temp.path() / "long"); }) == ErrorKind::failed);
}

TEST_CASE("a qcow2 with numbers in its header that cannot be is damaged") {
  struct Case {
    std::size_t at;
    std::uint64_t value;
    std::size_t size;
  };
  const std::string good = packed(mixed_disk(), "zstd");
  for (const Case& each : {Case{4, 1, 4}, Case{4, 4, 4}, Case{20, 8, 4}, Case{20, 22, 4}, Case{24, UINT64_MAX, 8},
                           Case{24, (1ULL << 44U) + 1, 8}, Case{24, 1ULL << 40U, 8}, Case{36, 0, 4}}) {
    CAPTURE(each.at, each.value);
    std::string image = good;
    set_big(image, each.at, each.value, each.size);
    CHECK(error_kind([&] { (void)unpacked(image); }) == ErrorKind::integrity);
  }
  CHECK(error_kind([&] { (void)unpacked(good.substr(0, 111)); }) == ErrorKind::integrity);
}

TEST_CASE("tables and clusters of a qcow2 that lead out of the file, or do not unpack, are damage") {
  for (const char* compression : {"zstd", "gzip"}) {
    CAPTURE(compression);
    const std::string good = packed(mixed_disk(), compression);
    const auto kind_with = [&](std::size_t at, std::uint64_t value) {
      std::string image = good;
      set_big(image, at, value);
      return error_kind([&] { (void)unpacked(image); });
    };
    const std::uint64_t beyond = 1ULL << 40U;
    CHECK(kind_with(40, beyond) == ErrorKind::integrity);
    CHECK(kind_with(40, UINT64_MAX - 7) == ErrorKind::integrity);
    CHECK(kind_with(big_at(good, 40), beyond) == ErrorKind::integrity);
    CHECK(kind_with(entry_at(good, 1), beyond) == ErrorKind::integrity);
    CHECK(kind_with(entry_at(good, 0), beyond | kCompressed) == ErrorKind::integrity);
    CHECK(kind_with(entry_at(good, 0), 2 | kCompressed) == ErrorKind::integrity);
    std::string image = good;
    image.replace(kCluster, 16, 16, '\xff');
    CHECK(error_kind([&] { (void)unpacked(image); }) == ErrorKind::integrity);
  }
}

TEST_CASE("a compressed cluster that unpacks to less than a cluster is damage") {
  const std::string disk(kCluster, 't');
  std::string image = packed(disk, "zstd");
  const std::string frame = zstd_frame("short", 3);
  image.replace(kCluster, frame.size(), frame);
  CHECK(error_kind([&] { (void)unpacked(image); }) == ErrorKind::integrity);
}

TEST_CASE("clusters that other tools mark as zeros are zeros, and version 2 is read") {
  const std::string disk = mixed_disk();
  std::string image = packed(disk, "gzip");
  set_big(image, 4, 2, 4);
  set_big(image, 72, UINT64_MAX);  // in version 2 what stands here is no list of features
  CHECK((unpacked(image) == disk));
  std::string zeros = packed(disk, "gzip");
  set_big(zeros, entry_at(zeros, 1), big_at(zeros, entry_at(zeros, 1)) | 1U);
  CHECK((unpacked(zeros).substr(kCluster, kCluster) == std::string(kCluster, '\0')));
}

TEST_CASE("a qcow2 inside a qcow2 is not unpacked again") {
  const std::string image = packed(packed(mixed_disk(), "gzip"), "gzip");
  ReadBudget budget(image.size());
  const auto read = [&] { (void)read_source(MemorySource(image), {}, budget); };
  CHECK(error_kind(read) == ErrorKind::integrity);
  CHECK(error_text(read).find("holds another qcow2 image") != std::string::npos);
}
