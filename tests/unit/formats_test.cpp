// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include "base/crc32c.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "image/btrfs/btree.hpp"
#include "image/btrfs/data.hpp"
#include "image/data_runs.hpp"
#include "image/derived_uuid.hpp"
#include "image/byte_source.hpp"
#include "image/disk/fat.hpp"
#include "image/disk/gpt.hpp"
#include "image/disk/qcow2.hpp"
#include "image/read_budget.hpp"
#include "support/catch.hpp"
#include "support/trees.hpp"
#include "tree/scan.hpp"

using namespace alephc;

namespace {

/// "start+length …"
std::string runs_of(const std::string& content) {
  const TempDir temp(std::filesystem::temp_directory_path());
  atomic_write(temp.path() / "file", content);
  const Tree tree = tree_of(temp.path());
  std::string out;
  const auto runs = find_data_runs(tree, 1);
  for (const DataRun& run : runs.at(1))
    out += std::to_string(run.start) + "+" + std::to_string(run.length) + " ";
  return out;
}

std::string zeros(std::size_t size) {
  return std::string(size, '\0');
}

}  // namespace

TEST_CASE("CRC-32C has the values of RFC 3720") {
  CHECK(~crc32c(~0U, "123456789") == 0xe3069283U);
  CHECK(~crc32c(~0U, zeros(32)) == 0x8a9136aaU);
  CHECK(~crc32c(~0U, std::string(32, '\xff')) == 0x62a8ab43U);
  CHECK(crc32c(crc32c(~0U, "12345"), "6789") == crc32c(~0U, "123456789"));
}

TEST_CASE("derived UUIDs depend on seed and role and are of version 8") {
  const Digest seed = sha256("seed");
  const std::string text = uuid_text(derived_uuid(seed, "filesystem"));
  CHECK(text == uuid_text(derived_uuid(seed, "filesystem")));
  CHECK(text != uuid_text(derived_uuid(seed, "disk")));
  CHECK(text != uuid_text(derived_uuid(sha256("other"), "filesystem")));
  REQUIRE(text.size() == 36);
  CHECK(text[14] == '8');
  CHECK(std::string("89ab").find(text[19]) != std::string::npos);
}

TEST_CASE("stretches of zeros from 64 KiB on are holes, wherever they are") {
  const std::string block(4096, 'x');
  CHECK(runs_of("short") == "0+5 ");
  CHECK(runs_of(zeros(65535)) == "0+65535 ");
  CHECK(runs_of(zeros(65536)).empty());
  CHECK(runs_of(block + zeros(61440) + block) == "0+69632 ");
  CHECK(runs_of(block + zeros(65536) + block) == "0+4096 69632+4096 ");
  CHECK(runs_of(zeros(65536) + block + "tail") == "65536+4100 ");
  CHECK(runs_of(block + zeros(60000)) == "0+64096 ");
  CHECK(runs_of(block + zeros(3000000)) == "0+4096 ");
}

TEST_CASE("a hole in the store's file is none by itself") {
  const TempDir temp(std::filesystem::temp_directory_path());
  const std::string content = std::string(4096, 'x') + zeros(1U << 20U) + "end";
  atomic_write(temp.path() / "full", content);
  {
    const UniqueFd sparse = open_file(temp.path() / "sparse", O_WRONLY | O_CREAT);
    REQUIRE(::ftruncate(sparse.get(), static_cast<off_t>(content.size())) == 0);
    REQUIRE(write_at(sparse.get(), 0, content.substr(0, 4096)));
    REQUIRE(write_at(sparse.get(), content.size() - 3, "end"));
  }
  const Tree tree = tree_of(temp.path());
  const auto runs = find_data_runs(tree, 2);
  REQUIRE(runs.at(1).size() == 2);
  REQUIRE(runs.at(2).size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(runs[1][i].start == runs[2][i].start);
    CHECK(runs[1][i].length == runs[2][i].length);
  }
}

TEST_CASE("btrfs addresses go around superblocks and never across chunks") {
  constexpr std::uint64_t kSuperblock = 64U << 20U;
  btrfs::SpaceSupply supply(kSuperblock - 8192, 1U << 20U);
  CHECK(supply.take(1U << 20U).length == 8192);
  CHECK(supply.take(4096).start == kSuperblock + 65536);
  // 917,504 bytes are left of the chunk's MiB.
  const btrfs::Space rest = supply.take(2U << 20U);
  CHECK(rest.end() == kSuperblock - 8192 + (1U << 20U));
  CHECK(supply.take(4096).start == rest.end());
  btrfs::SpaceSupply whole(kSuperblock - 8192, 1U << 20U);
  CHECK(whole.take_whole(16384).start == kSuperblock + 65536);
}

TEST_CASE("a B-tree has as many nodes as its items need, and its first keys above") {
  btrfs::Items items;
  for (std::uint64_t i = 0; i < 5000; ++i) items.push_back({{i, 1, 0}, std::string(100, 'i')});
  btrfs::BTree tree(5, items);
  // 125 bytes an item, 16,283 in a leaf: 130 items; 39 leaves and a root.
  CHECK(tree.node_count() == 40);
  CHECK(tree.level() == 1);
  CHECK(tree.level_of(38) == 0);
  CHECK(tree.level_of(39) == 1);
  std::vector<std::uint64_t> addresses;
  for (std::uint64_t i = 0; i < 40; ++i) addresses.push_back((i + 1) * btrfs::kNode);
  tree.place(addresses);
  CHECK(tree.root() == 40 * btrfs::kNode);
  CHECK(tree.node_bytes(39, {}).size() == btrfs::kNode);
  CHECK(btrfs::BTree(5, {}).node_count() == 1);
}

TEST_CASE("FAT gives back what it was given") {
  const std::vector<fat::File> files{{.path = "EFI", .is_folder = true},
                                     {.path = "EFI/BOOT", .is_folder = true},
                                     {.path = "EFI/BOOT/BOOTX64.EFI", .content = std::string(70001, 'b')},
                                     {.path = "EFI/BOOT/a long name with spaces.conf", .content = "long"},
                                     {.path = "EFI/BOOT/a long name with spaces.cfg", .content = "longer"},
                                     {.path = "EFI/BOOT/empty"},
                                     {.path = "EFI/\xc3\xbc\xf0\x9f\x98\x80", .content = "wide"}};
  constexpr std::uint64_t kSize = 34U << 20U;
  std::string volume = fat::make_volume({.size = kSize, .time = 1700000000}, files);
  volume.resize(kSize, '\0');
  ReadBudget budget(kSize);
  const std::vector<fat::File> read = fat::read_volume(MemorySource(volume), budget);
  REQUIRE(read.size() == files.size());
  for (const fat::File& file : files) {
    const auto same = std::find_if(read.begin(), read.end(), [&](const fat::File& each) {
      return each.path == file.path && each.is_folder == file.is_folder && each.content == file.content;
    });
    CHECK(same != read.end());
  }
}

TEST_CASE("FAT refuses what it cannot hold, by name") {
  const auto refused = [](const std::string& path, const std::string& content = "") {
    std::vector<fat::File> files{{.path = "Same"}, {.path = path, .content = content}};
    try {
      (void)fat::make_volume({.size = 34U << 20U}, files);
    } catch (const Error& error) {
      return std::string(error.what()).find(path) != std::string::npos;
    }
    return false;
  };
  CHECK(refused("sAME"));
  CHECK(refused("a:b"));
  CHECK(refused("\xff\xfe"));
  CHECK(refused(std::string(256, 'n')));
  CHECK(refused("large", zeros(40U << 20U)));
  CHECK_FALSE(refused("good"));
}

TEST_CASE("a partition table is read as it was written, and a damaged one is refused") {
  const Uuid guid = derived_uuid(sha256("seed"), "partition");
  constexpr std::uint64_t kSize = 8U << 20U;
  const std::vector<gpt::Partition> partitions{{.number = 1,
                                                .type = gpt::kLinuxRootAmd64,
                                                .guid = guid,
                                                .name = "root",
                                                .start = 2U << 20U,
                                                .length = 5U << 20U},
                                               {.number = 14,
                                                .type = gpt::kBiosBoot,
                                                .guid = guid,
                                                .name = "bios",
                                                .start = 1U << 20U,
                                                .length = 1U << 20U}};
  const gpt::Tables tables = gpt::make_tables(partitions, guid, kSize);
  std::string disk = tables.front;
  disk.resize(kSize - tables.back.size(), '\0');
  disk += tables.back;
  const auto read = gpt::read_tables(MemorySource(disk));
  REQUIRE(read.has_value());
  REQUIRE(read->size() == 2);
  CHECK(read->at(0).type == gpt::kLinuxRootAmd64);
  CHECK(read->at(0).start == (2U << 20U));
  CHECK(read->at(0).length == (5U << 20U));
  CHECK(read->at(1).number == 14);
  CHECK(read->at(1).name == "bios");
  disk[1024 + 40] ^= 1;
  CHECK_THROWS_AS(gpt::read_tables(MemorySource(disk)), Error);
  const std::string none = zeros(4096);
  CHECK_FALSE(gpt::read_tables(MemorySource(none)).has_value());
}

TEST_CASE("qcow2 gives back the disk, whatever its compression") {
  const TempDir temp(std::filesystem::temp_directory_path());
  std::string disk = zeros(5U << 20U);
  for (std::size_t i = 0; i < 700000; ++i) disk[i + 100000] = static_cast<char>(i * i >> 7U);
  disk.replace(4U << 20U, 200000, std::string(200000, 't'));
  atomic_write(temp.path() / "disk", disk);
  for (const std::string compression : {"zstd", "gzip", "none"}) {
    WriteOptions options;
    options.image.compression = compression;
    std::vector<std::string> images;
    for (const unsigned jobs : {1U, 4U}) {
      options.jobs = jobs;
      const std::filesystem::path image = temp.path() / (compression + std::to_string(jobs));
      pack_qcow2(temp.path() / "disk", options, image);
      images.push_back(read_file(image));
      const MemorySource packed(images.back());
      const Qcow2Source unpacked(packed);
      CHECK(unpacked.size() == disk.size());
      CHECK((unpacked.bytes(0, disk.size()) == disk));
      CHECK((unpacked.bytes(99'999, 70'001) == disk.substr(99'999, 70'001)));
    }
    CHECK((images[0] == images[1]));
  }
}
