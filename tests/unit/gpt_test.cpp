// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/digest.hpp"
#include "base/little_endian.hpp"
#include "image/byte_source.hpp"
#include "image/disk/gpt.hpp"
#include "image/disk/outside.hpp"
#include "image/read_budget.hpp"
#include "support/catch.hpp"
#include "support/fakes.hpp"

using namespace alephc;

namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kSize = 8 * kMiB;
constexpr std::size_t kHeaderAt = gpt::kSector;
constexpr std::size_t kEntriesAt = 2 * gpt::kSector;
constexpr std::size_t kEntryBytes = 128;

/// Bit by bit, so that it shares nothing with what is tested.
std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t sum = 0xffffffffU;
  for (const char c : bytes) {
    sum ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1U) ^ ((sum & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~sum;
}

std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  return read_little(bytes.substr(at, size));
}

gpt::Partition partition(unsigned index, const std::string& name, std::uint64_t start, std::uint64_t length,
                         const char* type = gpt::kLinuxRootAmd64) {
  return {.number = index,
          .type = type,
          .guid = derived_uuid(sha256("seed"), name),
          .name = name,
          .start = start,
          .length = length};
}

std::string disk_with(const std::vector<gpt::Partition>& partitions, std::uint64_t size = kSize) {
  const gpt::Tables tables = gpt::make_tables(partitions, derived_uuid(sha256("seed"), "disk"), size);
  std::string disk = tables.front;
  disk.resize(size - tables.back.size(), '\0');
  return disk + tables.back;
}

/// The sums of entries and header made to fit again, as a tool that edits the table does.
void mend_sums(std::string& disk, std::size_t entries_size = 128 * kEntryBytes) {
  set_little(disk, kHeaderAt + 88, crc32(std::string_view(disk).substr(kEntriesAt, entries_size)), 4);
  set_little(disk, kHeaderAt + 16, 0, 4);
  set_little(disk, kHeaderAt + 16, crc32(std::string_view(disk).substr(kHeaderAt, 92)), 4);
}

Digest outside_of(const std::string& disk, const std::vector<gpt::Partition>& listed) {
  ReadBudget budget(disk.size());
  return outside_digest(MemorySource(disk), listed, budget);
}

}  // namespace

TEST_CASE("both headers of a partition table point at each other, and their sums fit") {
  const std::string disk = disk_with({partition(1, "root", 2 * kMiB, 5 * kMiB)});
  const std::uint64_t last = kSize / gpt::kSector - 1;
  const std::string_view front = std::string_view(disk).substr(kHeaderAt, gpt::kSector);
  const std::string_view back = std::string_view(disk).substr(last * gpt::kSector);
  for (const std::string_view header : {front, back}) {
    CHECK(header.substr(0, 8) == "EFI PART");
    CHECK(number(header, 8, 4) == 0x00010000);
    CHECK(number(header, 12, 4) == 92);
    CHECK(number(header, 40, 8) == 34);
    CHECK(number(header, 48, 8) == last - 33);
    CHECK(number(header, 80, 4) == 128);
    CHECK(number(header, 84, 4) == kEntryBytes);
    std::string summed(header.substr(0, 92));
    set_little(summed, 16, 0, 4);
    CHECK(number(header, 16, 4) == crc32(summed));
    const std::string_view entries =
        std::string_view(disk).substr(number(header, 72, 8) * gpt::kSector, 128 * kEntryBytes);
    CHECK(number(header, 88, 4) == crc32(entries));
    CHECK(number(entries, 32, 8) == 2 * kMiB / gpt::kSector);
    CHECK(number(entries, 40, 8) == 7 * kMiB / gpt::kSector - 1);
  }
  CHECK(number(front, 24, 8) == 1);
  CHECK(number(front, 32, 8) == last);
  CHECK(number(front, 72, 8) == 2);
  CHECK(number(back, 24, 8) == last);
  CHECK(number(back, 32, 8) == 1);
  CHECK(number(back, 72, 8) == last - 32);
}

TEST_CASE("GUIDs lie on disk in the mixed order of the UEFI specification") {
  const std::string disk = disk_with({partition(1, "esp", 2 * kMiB, kMiB, gpt::kEfiSystem)});
  CHECK(disk.substr(kEntriesAt, 16) ==
        std::string("\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b", 16));
  const std::string guid(uuid_bytes(derived_uuid(sha256("seed"), "esp")));
  CHECK(disk.substr(kEntriesAt + 24, 8) == guid.substr(8));
  CHECK(disk[kEntriesAt + 16] == guid[3]);
  CHECK(disk[kEntriesAt + 20] == guid[5]);
  CHECK(disk[kEntriesAt + 22] == guid[7]);
}

TEST_CASE("the protective MBR covers the disk, as far as its 32 bits reach") {
  const auto covered = [](std::uint64_t size) {
    const std::string mbr = gpt::make_tables({}, {}, size).front.substr(0, gpt::kSector);
    CHECK(mbr.substr(510) == "\x55\xaa");
    CHECK(mbr.substr(450, 1) == "\xee");
    CHECK(number(mbr, 454, 4) == 1);
    CHECK(mbr.find_first_not_of('\0') == 448);  // neither code nor a partition that is active
    return number(mbr, 458, 4);
  };
  CHECK(covered(kSize) == kSize / gpt::kSector - 1);
  CHECK(covered(1ULL << 41U) == 0xffffffffU);
  CHECK(covered(1ULL << 43U) == 0xffffffffU);
}

TEST_CASE("partitions are read by their numbers, with gaps in between and full names") {
  const std::string longest(36, 'n');
  const std::string disk = disk_with({partition(128, longest, 3 * kMiB, kMiB), partition(3, "", kMiB, 512)});
  const auto read = gpt::read_tables(MemorySource(disk));
  REQUIRE(read.has_value());
  REQUIRE(read->size() == 2);
  CHECK(read->at(0).number == 3);
  CHECK(read->at(0).name.empty());
  CHECK(read->at(0).start == kMiB);
  CHECK(read->at(0).length == 512);
  CHECK(read->at(1).number == 128);
  CHECK(read->at(1).name == longest);
  const std::string empty = disk_with({});
  CHECK(gpt::read_tables(MemorySource(empty)).value().empty());
}

TEST_CASE("a table with entries of another size is read, too") {
  std::string disk = disk_with({partition(1, "root", 2 * kMiB, kMiB), partition(2, "data", 4 * kMiB, kMiB)});
  const std::string first = disk.substr(kEntriesAt, kEntryBytes);
  const std::string second = disk.substr(kEntriesAt + kEntryBytes, kEntryBytes);
  const std::string pad(kEntryBytes, '\0');
  std::string entries = first;
  entries += pad;
  entries += second;
  entries += pad;
  disk.replace(kEntriesAt, entries.size(), entries);
  set_little(disk, kHeaderAt + 80, 2, 4);
  set_little(disk, kHeaderAt + 84, 2 * kEntryBytes, 4);
  mend_sums(disk, entries.size());
  const auto read = gpt::read_tables(MemorySource(disk)).value();
  REQUIRE(read.size() == 2);
  CHECK(read[1].number == 2);
  CHECK(read[1].name == "data");
  CHECK(read[1].start == 4 * kMiB);
}

TEST_CASE("a partition table whose numbers cannot be is damaged, whatever its sums say") {
  struct Change {
    std::size_t at;
    std::uint64_t value;
    std::size_t size;
    std::size_t summed;  ///< bytes of entries that the numbers then say
  };
  for (const Change change :
       {Change{84, 64, 4, 64 * 128}, Change{84, 0, 4, 0}, Change{84, 8192, 4, 4096 * 128},
        Change{84, 0xffffffff, 4, 4096 * 128}, Change{80, 5000, 4, 4096 * kEntryBytes},
        Change{80, 0xffffffff, 4, 4096 * kEntryBytes}, Change{72, kSize / 512 - 31, 8, 0},
        Change{72, UINT64_MAX, 8, 0}}) {
    CAPTURE(change.at, change.value);
    std::string disk = disk_with({partition(1, "root", 2 * kMiB, kMiB)});
    set_little(disk, kHeaderAt + change.at, change.value, change.size);
    mend_sums(disk, change.summed);
    const auto read = [&] { (void)gpt::read_tables(MemorySource(disk)); };
    CHECK(error_kind(read) == ErrorKind::integrity);
    CHECK(error_text(read).find("the partition table is damaged") != std::string::npos);
  }
}

TEST_CASE("a changed bit anywhere in the entries is noticed, in unused ones too") {
  for (const std::size_t at : {kEntriesAt, kEntriesAt + 33, kEntriesAt + 127 * kEntryBytes, kEntriesAt + 16383}) {
    CAPTURE(at);
    std::string disk = disk_with({partition(1, "root", 2 * kMiB, kMiB)});
    disk[at] = static_cast<char>(disk[at] ^ 0x20);
    CHECK(error_kind([&] { (void)gpt::read_tables(MemorySource(disk)); }) == ErrorKind::integrity);
  }
}

TEST_CASE("what is too short for a partition table, or has another magic, has none") {
  const std::string disk = disk_with({partition(1, "root", 2 * kMiB, kMiB)});
  for (const std::size_t size : {std::size_t{0}, std::size_t{512}, std::size_t{1023}})
    CHECK_FALSE(gpt::read_tables(MemorySource(std::string_view(disk).substr(0, size))).has_value());
  std::string other = disk;
  other[kHeaderAt] = 'e';
  CHECK_FALSE(gpt::read_tables(MemorySource(other)).has_value());
  // The table itself is there, but not all of its entries.
  CHECK(error_kind([&] { (void)gpt::read_tables(MemorySource(std::string_view(disk).substr(0, 4096))); }) ==
        ErrorKind::integrity);
}

TEST_CASE("what is outside a disk's filesystems is the digest of a text that names each stretch") {
  const std::vector<gpt::Partition> listed{partition(1, "root", 4 * kMiB, 3 * kMiB),
                                           partition(15, "esp", 2 * kMiB, kMiB)};
  const std::string disk = disk_with(listed);
  std::string text = "alephc-outside 1\n8388608\n";
  text += "0 2097152 " + sha256(disk.substr(0, 2 * kMiB)).hex() + "\n";
  text += "3145728 1048576 " + sha256(disk.substr(3 * kMiB, kMiB)).hex() + "\n";
  text += "7340032 1048576 " + sha256(disk.substr(7 * kMiB)).hex() + "\n";
  CHECK(outside_of(disk, listed) == sha256(text));
  CHECK(outside_of(disk, {listed[1], listed[0]}) == sha256(text));
}

TEST_CASE("partitions side by side and up to the end leave no empty stretch") {
  const std::vector<gpt::Partition> listed{partition(1, "a", kMiB, 3 * kMiB), partition(2, "b", 4 * kMiB, 4 * kMiB)};
  const std::string disk(kSize, 'x');
  const std::string head(kMiB, 'x');
  CHECK(outside_of(disk, listed) ==
        sha256("alephc-outside 1\n8388608\n0 1048576 " + sha256(head).hex() + "\n"));
}

TEST_CASE("partitions that overlap or lead out of the disk have no digest of what is outside") {
  const std::string disk(kSize, '\0');
  const auto listed = [&](std::uint64_t start, std::uint64_t length) {
    return std::vector<gpt::Partition>{partition(1, "a", kMiB, 2 * kMiB), partition(2, "b", start, length)};
  };
  CHECK(error_text([&] { (void)outside_of(disk, listed(2 * kMiB, kMiB)); }) == "two partitions of the disk overlap\n");
  CHECK(error_text([&] { (void)outside_of(disk, listed(kMiB, kMiB)); }) == "two partitions of the disk overlap\n");
  CHECK(error_text([&] { (void)outside_of(disk, listed(3 * kMiB - 512, kMiB)); }) ==
        "two partitions of the disk overlap\n");
  CHECK_NOTHROW(outside_of(disk, listed(3 * kMiB, kMiB)));
  CHECK(error_kind([&] { (void)outside_of(disk, listed(9 * kMiB, kMiB)); }) == ErrorKind::integrity);
}

TEST_CASE("a changed byte anywhere in the header is noticed") {
  const std::string good = disk_with({partition(1, "root", 2 * kMiB, kMiB)});
  for (const std::size_t at : std::vector<std::size_t>{8, 12, 16, 20, 24, 32, 40, 48, 56, 71, 91}) {
    CAPTURE(at);
    std::string disk = good;
    disk[kHeaderAt + at] = static_cast<char>(disk[kHeaderAt + at] ^ 0x20);
    CHECK(error_kind([&] { (void)gpt::read_tables(MemorySource(disk)); }) == ErrorKind::integrity);
  }
}

TEST_CASE("a partition ends inside of its disk, behind its beginning") {
  const auto read = [](std::uint64_t first, std::uint64_t last) {
    std::string disk = disk_with({partition(1, "root", 2 * kMiB, kMiB)});
    set_little(disk, kEntriesAt + 32, first, 8);
    set_little(disk, kEntriesAt + 40, last, 8);
    mend_sums(disk);
    return error_text([&] { (void)gpt::read_tables(MemorySource(disk)); });
  };
  constexpr std::uint64_t kSectors = kSize / gpt::kSector;
  CHECK(read(4096, 4096).empty());
  CHECK(read(4096, kSectors - 1).empty());
  for (const auto& [first, last] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{{4096, kSectors},
                                                                                        {4096, UINT64_MAX},
                                                                                        {0, UINT64_MAX},
                                                                                        {4096, 4095},
                                                                                        {UINT64_MAX, 4096}}) {
    CAPTURE(first, last);
    CHECK(read(first, last) == "the partition table is damaged: a partition ends outside of the disk\n");
  }
}
