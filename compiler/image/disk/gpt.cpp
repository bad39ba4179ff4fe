// SPDX-License-Identifier: MIT
#include "image/disk/gpt.hpp"

#include <algorithm>

#include <zlib.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/little_endian.hpp"

namespace alephc::gpt {
namespace {

constexpr std::size_t kEntries = 128;
constexpr std::size_t kEntry = 128;
constexpr std::size_t kHeader = 92;
constexpr std::size_t kNameUnits = 36;
constexpr std::uint64_t kTableSectors = kEntries * kEntry / kSector;
constexpr std::uint64_t kFirstUsable = 2 + kTableSectors;
constexpr std::string_view kSignature = "EFI PART";

std::uint32_t crc32_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

/// On disk the first three groups of a GUID are little-endian.
std::string guid_bytes(const Uuid& guid) {
  std::string bytes(uuid_bytes(guid));
  std::reverse(bytes.begin(), bytes.begin() + 4);
  std::reverse(bytes.begin() + 4, bytes.begin() + 6);
  std::reverse(bytes.begin() + 6, bytes.begin() + 8);
  return bytes;
}

Uuid parse_guid(const std::string& text) {
  Uuid guid{};
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    const int value = c <= '9' ? c - '0' : c - 'a' + 10;
    guid[digits / 2] = static_cast<std::uint8_t>((guid[digits / 2] << 4U) | value);
    ++digits;
  }
  return guid;
}

std::string entry_bytes(const Partition& partition) {
  std::string entry = guid_bytes(parse_guid(partition.type)) + guid_bytes(partition.guid);
  put_little(entry, partition.start / kSector);
  put_little(entry, (partition.start + partition.length) / kSector - 1);
  put_little(entry, 0);  // attributes
  for (const char c : partition.name) put_little(entry, static_cast<std::uint8_t>(c), 2);
  entry.resize(kEntry, '\0');
  return entry;
}

struct HeaderPlace {
  std::uint64_t own = 0;  ///< in sectors
  std::uint64_t other = 0;
  std::uint64_t entries = 0;
};

std::string header(const HeaderPlace& place, const Uuid& disk, std::uint64_t sectors,
                   std::uint32_t entries_sum) {
  const auto build = [&](std::uint32_t own_sum) {
    std::string bytes(kSignature);
    put_little(bytes, 0x00010000, 4);
    put_little(bytes, kHeader, 4);
    put_little(bytes, own_sum, 4);
    put_little(bytes, 0, 4);
    put_little(bytes, place.own);
    put_little(bytes, place.other);
    put_little(bytes, kFirstUsable);
    put_little(bytes, sectors - kTableSectors - 2);
    bytes += guid_bytes(disk);
    put_little(bytes, place.entries);
    put_little(bytes, kEntries, 4);
    put_little(bytes, kEntry, 4);
    put_little(bytes, entries_sum, 4);
    return bytes;
  };
  std::string bytes = build(crc32_of(build(0)));
  bytes.resize(kSector, '\0');
  return bytes;
}

/// One partition of type EE over everything keeps tools away that know no better.
std::string protective_mbr(std::uint64_t sectors) {
  std::string mbr(446, '\0');
  put_little(mbr, 0, 1);
  mbr += std::string("\x00\x02\x00\xee\xff\xff\xff", 7);
  put_little(mbr, 1, 4);
  put_little(mbr, std::min<std::uint64_t>(sectors - 1, UINT32_MAX), 4);
  mbr.resize(kSector - 2, '\0');
  return mbr + "\x55\xaa";
}

/// The header has a sum of itself, made with zeros in its place.
void check_header(std::string_view sector) {
  constexpr std::size_t kSumAt = 16;
  constexpr std::uint64_t kSmallest = 92;
  const std::uint64_t size = read_little(sector.substr(12, 4));
  if (size >= kSmallest && size <= kSector) {
    std::string header(sector.substr(0, size));
    const std::uint64_t sum = read_little(std::string_view(header).substr(kSumAt, 4));
    header.replace(kSumAt, 4, 4, '\0');
    if (crc32_of(header) == sum) return;
  }
  throw Error(ErrorKind::integrity, "the partition table is damaged: its header has another sum");
}

}  // namespace

Tables make_tables(const std::vector<Partition>& partitions, const Uuid& disk, std::uint64_t size) {
  const std::uint64_t sectors = size / kSector;
  std::string entries(kEntries * kEntry, '\0');
  for (const Partition& partition : partitions)
    entries.replace((partition.number - 1) * kEntry, kEntry, entry_bytes(partition));
  const std::uint32_t sum = crc32_of(entries);
  const std::uint64_t last = sectors - 1;
  return {.front = protective_mbr(sectors) + header({1, last, 2}, disk, sectors, sum) + entries,
          .back = entries + header({last, 1, last - kTableSectors}, disk, sectors, sum)};
}

std::optional<std::vector<Partition>> read_tables(const ByteSource& disk) {
  const std::string sector = disk.bytes(kSector, kSector);
  if (!sector.starts_with(kSignature)) return std::nullopt;
  const auto number = [](std::string_view bytes, std::size_t at, std::size_t size) {
    return read_little(bytes.substr(at, size));
  };
  check_header(sector);
  const std::uint64_t entry_size = number(sector, 84, 4);
  const std::uint64_t count = number(sector, 80, 4);
  constexpr std::uint64_t kMost = 4096;
  const std::uint64_t size = std::min(entry_size, kMost) * std::min(count, kMost);
  const std::string entries = disk.bytes(std::min(number(sector, 72, 8), disk.size()) * kSector, size);
  if (entry_size < kEntry || entry_size > kMost || count > kMost || entries.size() != size ||
      crc32_of(entries) != number(sector, 88, 4))
    throw Error(ErrorKind::integrity, "the partition table is damaged");
  std::vector<Partition> partitions;
  for (unsigned i = 0; i < count; ++i) {
    const std::string_view entry = std::string_view(entries).substr(i * entry_size, entry_size);
    if (entry.substr(0, 16) == std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16)) continue;
    Partition& partition = partitions.emplace_back(Partition{.number = i + 1});
    Uuid type{};
    std::copy_n(entry.begin(), type.size(), type.begin());
    const std::string swapped = guid_bytes(type);  // its own inverse
    std::copy(swapped.begin(), swapped.end(), type.begin());
    partition.type = uuid_text(type);
    const std::uint64_t first = number(entry, 32, 8);
    const std::uint64_t last = number(entry, 40, 8);
    if (last < first || last >= disk.size() / kSector)
      throw Error(ErrorKind::integrity, "the partition table is damaged: a partition ends outside of the disk");
    partition.start = first * kSector;
    partition.length = (last - first + 1) * kSector;
    for (std::size_t at = 0; at < kNameUnits && entry[56 + 2 * at] != 0; ++at)
      partition.name += entry[56 + 2 * at];
  }
  return partitions;
}

}  // namespace alephc::gpt
