// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/little_endian.hpp"
#include "image/byte_source.hpp"
#include "image/disk/fat.hpp"
#include "image/disk/gpt.hpp"
#include "image/filesystem_image.hpp"
#include "image/image_format.hpp"
#include "image/read_budget.hpp"
#include "support/catch.hpp"
#include "support/trees.hpp"
#include "support/fakes.hpp"
#include "tree/scan.hpp"
#include "tree/tree.hpp"
#include "tree/tree_digest.hpp"

using namespace alephc;

namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kEspSize = 33 * kMiB;  // the least that FAT32 takes
constexpr std::uint64_t kEspStart = 2 * kMiB;
constexpr std::uint64_t kRootStart = kEspStart + kEspSize;

/// A system that could start: what GRUB installs is stood in for by bytes that can be told apart.
struct BootableTree {
  TempDir temp{std::filesystem::temp_directory_path(), "alephc-test"};

  BootableTree() {
    ::umask(022);  // FAT takes folders of mode 0755 only
    put("boot/grub/i386-pc/boot.img", std::string(512, 'B'));
    put("boot/grub/i386-pc/core.img", std::string(1536, 'C'));
    put("boot/efi/EFI/BOOT/BOOTX64.EFI", "efi program");
    put("etc/hostname", "disk\n");
  }
  void put(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = temp.path() / "tree" / path;
    make_folders(file.parent_path());
    const bool in_esp = path.starts_with("boot/efi/");
    atomic_write(file, text, in_esp ? 0755 : 0644);
  }
  [[nodiscard]] Tree tree() const { return tree_of(temp.path() / "tree"); }

  static WriteOptions options() {
    WriteOptions options{.time = 1700000000, .seed = sha256("seed")};
    options.image.format = "disk";
    options.boot.esp_size = kEspSize;
    return options;
  }
  std::filesystem::path write(const WriteOptions& options, const std::string& name = "disk.img") const {
    const std::filesystem::path path = temp.path() / name;
    std::filesystem::remove(path);
    image_format(options.image.format).write(tree(), options, path);
    return path;
  }
};

void change_byte(const std::filesystem::path& file, std::uint64_t at) {
  const UniqueFd fd = open_file(file, O_RDWR);
  std::array<char, 1> byte{};
  REQUIRE(read_at(fd.get(), at, byte) == 1);
  byte[0] = static_cast<char>(byte[0] ^ 0x55);
  REQUIRE(write_at(fd.get(), at, {byte.data(), 1}));
}

std::string bytes_at(const std::filesystem::path& file, std::uint64_t at, std::size_t size) {
  const UniqueFd fd = open_file(file, O_RDONLY);
  return FileSource(fd.get()).bytes(at, size);
}

/// A FAT of 12 or 16 bits with one file over two clusters that do not lie side by side, as other tools make it.
std::string old_fat(unsigned sectors, std::size_t table_sectors, const std::string& table) {
  std::string volume(sectors * 512ULL, '\0');
  set_little(volume, 11, 512, 2);
  set_little(volume, 13, 1, 1);  // sectors a cluster
  set_little(volume, 14, 1, 2);  // sectors before the tables
  set_little(volume, 16, 1, 1);  // tables
  set_little(volume, 17, 16, 2);
  set_little(volume, 19, sectors, 2);
  set_little(volume, 22, table_sectors, 2);
  volume.replace(512, table.size(), table);
  const std::size_t root = 512 + table_sectors * 512;
  volume.replace(root, 11, "OLD     TXT");
  set_little(volume, root + 11, 0x20, 1);
  set_little(volume, root + 26, 3, 2);
  set_little(volume, root + 28, 600, 4);
  const std::size_t data = root + 512;
  volume.replace(data + 512, 512, std::string(512, 'a'));
  volume.replace(data + 3 * 512ULL, 88, std::string(88, 'b'));
  return volume;
}

std::vector<fat::File> read_fat(const std::string& volume) {
  ReadBudget budget(volume.size());
  return fat::read_volume(MemorySource(volume), budget);
}

std::string new_fat(const std::vector<fat::File>& files) {
  std::string volume = fat::make_volume(
      {.size = kEspSize, .sector = 4096, .serial = 0x12345678, .time = 1700000000}, files);
  volume.resize(kEspSize, '\0');
  return volume;
}

std::uint64_t first_cluster_at(const std::string& volume) {
  const std::uint64_t table = read_little(std::string_view(volume).substr(36, 4));
  return (32 + 2 * table) * 512;
}

}  // namespace

TEST_CASE("a disk has GRUB's core, the EFI system partition and the root where the documentation says") {
  const BootableTree bootable;
  const auto path = bootable.write(BootableTree::options());
  const UniqueFd fd = open_file(path, O_RDONLY);
  const FileSource disk(fd.get());
  const auto partitions = gpt::read_tables(disk).value();
  REQUIRE(partitions.size() == 3);
  CHECK(partitions[0].number == 1);
  CHECK(partitions[0].type == gpt::kLinuxRootAmd64);
  CHECK(partitions[0].start == kRootStart);
  CHECK(partitions[0].start + partitions[0].length == disk.size() - kMiB);
  CHECK(partitions[1].number == 14);
  CHECK(partitions[1].type == gpt::kBiosBoot);
  CHECK(partitions[1].start == kMiB);
  CHECK(partitions[1].length == kMiB);
  CHECK(partitions[2].number == 15);
  CHECK(partitions[2].type == gpt::kEfiSystem);
  CHECK(partitions[2].start == kEspStart);
  CHECK(partitions[2].length == kEspSize);
  CHECK(image_format_of(PartSource(disk, kRootStart, partitions[0].length)) == "ext4");
}

TEST_CASE("the boot sector is told where the core begins, and the core where the rest of it is") {
  const BootableTree bootable;
  const auto path = bootable.write(BootableTree::options());
  const std::string boot = bytes_at(path, 0, 512);
  CHECK(read_little(std::string_view(boot).substr(0x5c, 8)) == 2048);
  CHECK(boot.substr(0x66, 2) == "\x90\x90");
  CHECK(boot.substr(0, 0x5c) == std::string(0x5c, 'B'));
  CHECK(boot.substr(440, 4) == std::string(4, '\0'));  // the code ends before the table
  CHECK(boot.substr(510) == "\x55\xaa");
  const std::string core = bytes_at(path, kMiB, 1536);
  CHECK(read_little(std::string_view(core).substr(500, 8)) == 2049);
  CHECK(core.substr(512) == std::string(1024, 'C'));
}

TEST_CASE("a disk that cannot start as it is asked to is refused, with what is missing") {
  const auto refused = [](const std::string& path, const std::string& text) {
    const BootableTree bootable;
    if (text.empty())
      std::filesystem::remove(bootable.temp.path() / "tree" / path);
    else
      bootable.put(path, text);
    return error_text([&] { (void)bootable.write(BootableTree::options()); });
  };
  CHECK(refused("boot/grub/i386-pc/boot.img", "").find("has no /boot/grub/i386-pc/boot.img") != std::string::npos);
  CHECK(refused("boot/grub/i386-pc/core.img", "").find("has no /boot/grub/i386-pc/core.img") != std::string::npos);
  CHECK(refused("boot/grub/i386-pc/boot.img", "short").find("is damaged") != std::string::npos);
  CHECK(refused("boot/grub/i386-pc/core.img", std::string(kMiB + 1, 'C')).find("it has 1048577 bytes") !=
        std::string::npos);
  CHECK(refused("boot/efi/EFI/a:b", "x").find("EFI/a:b is none that FAT can hold") != std::string::npos);
}

TEST_CASE("a disk reads back as its tree, the EFI system partition's files where the tree has them") {
  const BootableTree bootable;
  for (const char* filesystem : {"ext4", "btrfs"}) {
    CAPTURE(filesystem);
    WriteOptions options = BootableTree::options();
    options.image.filesystem = filesystem;
    const auto path = bootable.write(options);
    const auto wanted = [](const std::string& name) { return name.ends_with("BOOTX64.EFI"); };
    const ImageContent content = read_image(path, {.jobs = 2, .wanted = wanted});
    CHECK(content.format == "disk");
    CHECK(tree_digest(content.listing) == tree_digest(bootable.tree().entries()));
    CHECK(content.texts.at("boot/efi/EFI/BOOT/BOOTX64.EFI") == "efi program");
    CHECK(content.outside == outside_of_disk(path));
  }
}

TEST_CASE("a byte outside the root filesystem of a disk changes its outside digest, and only that") {
  const BootableTree bootable;
  const auto path = bootable.write(BootableTree::options());
  const Digest before = outside_of_disk(path);
  const std::uint64_t size = std::filesystem::file_size(path);
  // Boot code, the protective MBR, padding of the header, a gap, GRUB's core, the second table.
  for (const std::uint64_t at : {std::uint64_t{3}, std::uint64_t{450}, std::uint64_t{1000}, kMiB / 2, kMiB + 7,
                                 2 * kMiB - 1, size - kMiB, size - 1}) {
    CAPTURE(at);
    change_byte(path, at);
    CHECK(outside_of_disk(path) != before);
    change_byte(path, at);
  }
  CHECK(outside_of_disk(path) == before);
  for (const std::uint64_t at : {kEspStart + 5, kRootStart - 1}) {
    CAPTURE(at);
    change_byte(path, at);
    CHECK(outside_of_disk(path) != before);
    change_byte(path, at);
  }
  for (const std::uint64_t at : {kRootStart + 512, size - kMiB - 1}) {
    CAPTURE(at);
    change_byte(path, at);
    CHECK(outside_of_disk(path) == before);
    change_byte(path, at);
  }
}

TEST_CASE("an EFI system partition that no folder of the tree shows is outside") {
  const BootableTree bootable;
  std::filesystem::remove_all(bootable.temp.path() / "tree/boot/efi");
  const auto path = bootable.write(BootableTree::options());
  const Digest before = outside_of_disk(path);
  change_byte(path, kEspStart + 20 * kMiB);
  CHECK(outside_of_disk(path) != before);
  CHECK(read_image(path, {}).outside == outside_of_disk(path));
}

TEST_CASE("a further partition of a disk is outside, as is what the table says of it") {
  const BootableTree bootable;
  WriteOptions options = BootableTree::options();
  options.boot.bios = false;
  options.boot.uefi = false;
  const auto path = bootable.write(options);
  const std::uint64_t size = std::filesystem::file_size(path) + 2 * kMiB;
  std::filesystem::resize_file(path, size);
  const auto digest_with = [&](const std::string& name) {
    const std::vector<gpt::Partition> partitions{
        {.number = 1, .type = gpt::kLinuxRootAmd64, .name = "root", .start = kMiB, .length = size - 4 * kMiB},
        {.number = 2, .type = gpt::kBiosBoot, .name = name, .start = size - 3 * kMiB, .length = 2 * kMiB}};
    write_all_at(open_file(path, O_WRONLY).get(), 0, gpt::make_tables(partitions, {}, size).front);
    return outside_of_disk(path);
  };
  const Digest before = digest_with("data");
  CHECK(digest_with("date") != before);
  CHECK(digest_with("data") == before);
  change_byte(path, size - 2 * kMiB);
  CHECK(digest_with("data") != before);
}

TEST_CASE("two disks of one lock have the same bytes, and another lock's have other UUIDs") {
  const BootableTree bootable;
  WriteOptions options = BootableTree::options();
  const auto one = bootable.write(options, "one");
  options.jobs = 4;
  const auto four = bootable.write(options, "four");
  CHECK(sha256_file(one) == sha256_file(four));
  CHECK(bytes_at(one, kEspStart + 67, 4) == [] {
    std::string serial;
    put_little(serial, esp_serial(sha256("seed")), 4);
    return serial;
  }());
  CHECK(esp_serial(sha256("seed")) != esp_serial(sha256("other")));
  CHECK(bytes_at(one, kRootStart + 1024 + 0x68, 16) == uuid_bytes(filesystem_uuid(sha256("seed"))));
}

TEST_CASE("a qcow2 has the listing and the outside digest of the disk in it") {
  const BootableTree bootable;
  WriteOptions options = BootableTree::options();
  const auto disk = bootable.write(options);
  options.image.format = "qcow2";
  options.image.compression = "zstd";
  const auto qcow2 = bootable.write(options, "disk.qcow2");
  const ImageContent content = read_image(qcow2, {.jobs = 2});
  CHECK(content.format == "qcow2");
  CHECK(tree_digest(content.listing) == tree_digest(bootable.tree().entries()));
  CHECK(content.outside == outside_of_disk(disk));
  CHECK(outside_of_disk(qcow2) == content.outside);
  CHECK(std::filesystem::file_size(qcow2) < 8 * kMiB);
}

TEST_CASE("a disk without a filesystem that is known is refused") {
  const TempDir temp(std::filesystem::temp_directory_path(), "alephc-test");
  const gpt::Tables tables = gpt::make_tables(
      {{.number = 1, .type = gpt::kLinuxRootAmd64, .start = kMiB, .length = kMiB}}, {}, 4 * kMiB);
  std::string disk = tables.front;
  disk.resize(4 * kMiB, '\0');
  atomic_write(temp.path() / "disk", disk);
  CHECK(image_format_of(temp.path() / "disk") == "disk");
  CHECK(error_text([&] { (void)read_image(temp.path() / "disk", {}); })
            .starts_with("no partition of the disk holds ext4 or btrfs\n"));
}

TEST_CASE("a disk too small for its tree is refused with the size that it needs") {
  const BootableTree bootable;
  WriteOptions options = BootableTree::options();
  options.image.size = 36 * kMiB;
  const std::string text = error_text([&] { (void)bootable.write(options); });
  CHECK(text.starts_with("image.size = \"36M\" is too small: the tree needs "));
}

TEST_CASE("FAT's header names size, place, serial number and label, and has a copy") {
  const std::string volume = new_fat({{.path = "FILE.TXT", .content = "text"}});
  const std::string_view boot = std::string_view(volume).substr(0, 512);
  CHECK(read_little(boot.substr(11, 2)) == 512);
  CHECK(read_little(boot.substr(28, 4)) == 4096);
  CHECK(read_little(boot.substr(32, 4)) == kEspSize / 512);
  CHECK(read_little(boot.substr(67, 4)) == 0x12345678);
  CHECK(boot.substr(71, 11) == "ESP        ");
  CHECK(boot.substr(82, 8) == "FAT32   ");
  CHECK(boot.substr(510) == "\x55\xaa");
  CHECK(std::string_view(volume).substr(6 * 512, 512) == boot);
}

TEST_CASE("times in FAT are in UTC, in steps of two seconds, and not before 1980") {
  const std::string volume = new_fat({{.path = "FILE.TXT", .content = "text"}});
  const std::string_view entry = std::string_view(volume).substr(first_cluster_at(volume) + 32, 32);
  REQUIRE(entry.substr(0, 11) == "FILE    TXT");
  // 2023-11-14 22:13:20
  CHECK(read_little(entry.substr(22, 2)) == (22U << 11U | 13U << 5U | 10U));
  CHECK(read_little(entry.substr(24, 2)) == (43U << 9U | 11U << 5U | 14U));
  const std::string old = fat::make_volume({.size = kEspSize, .time = 0}, {{.path = "A"}});
  const std::string_view first = std::string_view(old).substr(first_cluster_at(old) + 32, 32);
  CHECK(read_little(first.substr(22, 4)) == 0x00210000);
}

TEST_CASE("FAT's short names stay, long ones get an alias that no other file has") {
  const std::string volume = 
      new_fat({{.path = "A long name.conf"}, {.path = "ALONGN~1.CON"}, {.path = "A long name.cfg"}});
  std::vector<std::string> names;
  const std::string_view root = std::string_view(volume).substr(first_cluster_at(volume), 512);
  for (std::size_t at = 32; root[at] != 0; at += 32)
    if (root[at + 11] == 0x20) names.emplace_back(root.substr(at, 11));
  REQUIRE(names.size() == 3);
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  CHECK(std::find(names.begin(), names.end(), "ALONGN~1CON") != names.end());
}

TEST_CASE("FAT12 and FAT16 of other tools are read along their chains") {
  // Cluster 3 goes on in 5; 12 bits are packed in threes of half bytes.
  std::string twelve("\xf8\xff\xff\x00\x50\x00\x00\xf0\xff", 9);
  std::string sixteen("\xf8\xff\xff\xff\x00\x00\x05\x00\x00\x00\xff\xff", 12);
  for (const std::string& volume : {old_fat(100, 1, twelve), old_fat(5000, 20, sixteen)}) {
    const std::vector<fat::File> files = read_fat(volume);
    REQUIRE(files.size() == 1);
    CHECK(files[0].path == "OLD.TXT");
    CHECK(files[0].content == std::string(512, 'a') + std::string(88, 'b'));
  }
}

TEST_CASE("a FAT with chains that turn around, lead out or end too early is damaged") {
  struct Case {
    const char* what;
    std::size_t at;  ///< in the table
    std::uint64_t value;
  };
  for (const Case& each : {Case{"turns around", 6, 3}, Case{"leads out", 6, 0xff00}, Case{"is free", 6, 0},
                           Case{"ends too early", 6, 0xffff}}) {
    CAPTURE(each.what);
    std::string table("\xf8\xff\xff\xff\x00\x00\x05\x00\x00\x00\xff\xff", 12);
    set_little(table, each.at, each.value, 2);
    CHECK(error_kind([&] { (void)read_fat(old_fat(5000, 20, table)); }) == ErrorKind::integrity);
  }
}

TEST_CASE("a FAT whose header cannot be is damaged") {
  const std::string table("\xf8\xff\xff\xff\x00\x00\x05\x00\x00\x00\xff\xff", 12);
  const std::string good = old_fat(5000, 20, table);
  REQUIRE(read_fat(good).size() == 1);
  for (const auto& [at, value] : {std::pair{11, 128}, {11, 8192}, {13, 0}, {19, 10}, {14, 0xffff}}) {
    CAPTURE(at, value);
    std::string bad = good;
    set_little(bad, static_cast<std::size_t>(at), static_cast<std::uint64_t>(value), 2);
    CHECK(error_kind([&] { (void)read_fat(bad); }) == ErrorKind::integrity);
  }
  CHECK(error_kind([&] { (void)read_fat(good.substr(0, 500)); }) == ErrorKind::integrity);
  CHECK(error_kind([&] { (void)read_fat(good.substr(0, 8000)); }) == ErrorKind::integrity);
}

TEST_CASE("names in a FAT cannot lead out of their folder") {
  const std::string table("\xf8\xff\xff\xff\x00\x00\x05\x00\x00\x00\xff\xff", 12);
  std::string volume = old_fat(5000, 20, table);
  const std::size_t root = 512 + 20 * 512ULL;
  volume.replace(root, 11, "A/B     TXT");
  CHECK(error_kind([&] { (void)read_fat(volume); }) == ErrorKind::integrity);
  volume.replace(root, 11, "..         ");
  CHECK(read_fat(volume).empty());
}
