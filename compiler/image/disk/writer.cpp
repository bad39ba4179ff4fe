// SPDX-License-Identifier: MIT
// A disk as a node boots it: GPT, GRUB's core in a BIOS boot partition, an EFI system partition with what the
// tree has below /boot/efi, and the root partition last, so that it can grow. Numbers are those of Debian's
// own cloud images: 1 root, 14 BIOS boot, 15 EFI.
#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/little_endian.hpp"
#include "image/disk/disk.hpp"
#include "image/disk/fat.hpp"
#include "image/disk/gpt.hpp"
#include "image/filesystem_image.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kBiosStart = kMiB;
constexpr std::uint64_t kBiosLength = kMiB;
constexpr std::uint64_t kTail = kMiB;  ///< for the second table
constexpr const char* kBootCode = "boot/grub/i386-pc/boot.img";
constexpr const char* kCore = "boot/grub/i386-pc/core.img";

bool in_esp(const std::string& path) {
  return path.starts_with(std::string(kEspFolder) + "/");
}

/// The tree without what goes to the EFI system partition.
Tree without_esp(const Tree& tree) {
  auto layer = std::make_shared<Layer>();
  for (const Entry& entry : tree.entries())
    if (in_esp(entry.path)) layer->listing.push_back({.path = entry.path, .type = EntryType::whiteout});
  Tree root = tree;
  root.add(std::move(layer));
  return root;
}

std::vector<fat::File> esp_files(const Tree& tree) {
  std::vector<fat::File> files;
  for (const Entry& entry : tree.entries()) {
    if (!in_esp(entry.path)) continue;
    const bool is_folder = entry.type == EntryType::directory;
    const bool plain = entry.mode == 0755 && entry.uid == 0 && entry.gid == 0 && entry.xattrs.empty() &&
                       entry.hard_link.empty();
    if ((!is_folder && entry.type != EntryType::regular) || !plain)
      throw Error(ErrorKind::failed, "/" + entry.path + " cannot go to the EFI system partition",
                  "FAT holds folders and files of root with mode 0755 only");
    fat::File file{.path = entry.path.substr(std::string_view(kEspFolder).size() + 1),
                   .is_folder = is_folder};
    if (!is_folder) file.content = tree.read_content(entry);
    files.push_back(std::move(file));
  }
  return files;
}

std::string boot_file(const Tree& tree, const char* path) {
  const Entry* entry = tree.find(path);
  if (entry == nullptr || entry->type != EntryType::regular)
    throw Error(ErrorKind::failed,
                "the disk is to start from BIOS, but the tree has no /" + std::string(path),
                "GRUB's files come from the package grub-pc-bin");
  return tree.read_content(*entry);
}

class DiskWriter {
 public:
  DiskWriter(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path)
      : tree_(tree), options_(options), path_(path) {}

  void run() {
    image_ = open_file(path_, O_RDWR | O_CREAT | O_EXCL, 0644);
    const std::uint64_t root_length = write_root();
    size_ = root_start() + root_length + kTail;
    if (::ftruncate(image_.get(), static_cast<off_t>(size_)) != 0)
      throw system_error("make an image of " + std::to_string(size_) + " bytes", errno);
    add_partition(1, root_type(), "root", root_start(), root_length);
    if (options_.boot.bios) add_partition(14, gpt::kBiosBoot, "bios", kBiosStart, kBiosLength);
    if (options_.boot.uefi) write_esp();
    const gpt::Tables tables = gpt::make_tables(partitions_, derived_uuid(options_.seed, "disk"), size_);
    write_all_at(image_.get(), 0, tables.front);
    write_all_at(image_.get(), size_ - tables.back.size(), tables.back);
    if (options_.boot.bios) write_boot_code();
  }

 private:
  [[nodiscard]] std::uint64_t esp_start() const {
    return kBiosStart + (options_.boot.bios ? kBiosLength : 0);
  }
  [[nodiscard]] std::uint64_t root_start() const {
    return esp_start() + (options_.boot.uefi ? options_.boot.esp_size : 0);
  }
  [[nodiscard]] std::string root_type() const {
    return options_.arch == "arm64" ? gpt::kLinuxRootArm64 : gpt::kLinuxRootAmd64;
  }

  std::uint64_t write_root() {
    FilesystemPlace place{.file = path_, .offset = root_start(), .around = root_start() + kTail};
    // A disk too small for its partitions has a root of no size, whose writer says what it needs.
    if (options_.image.size) place.size = *options_.image.size - std::min(*options_.image.size, place.around);
    return image_format(options_.image.filesystem).partition.write(without_esp(tree_), options_, place);
  }

  void add_partition(unsigned number, const std::string& type, const std::string& name, std::uint64_t start,
                     std::uint64_t length) {
    partitions_.push_back({.number = number,
                           .type = type,
                           .guid = derived_uuid(options_.seed, "partition " + name),
                           .name = name,
                           .start = start,
                           .length = length});
  }

  void write_esp() {
    add_partition(15, gpt::kEfiSystem, "esp", esp_start(), options_.boot.esp_size);
    const fat::Volume volume{.size = options_.boot.esp_size,
                             .sector = esp_start() / gpt::kSector,
                             .serial = esp_serial(options_.seed),
                             .time = options_.time};
    write_all_at(image_.get(), esp_start(), fat::make_volume(volume, esp_files(tree_)));
  }

  /// What grub-bios-setup does: the boot sector is told where the core begins, the core's first sector where
  /// the rest of it is. The partition table in the sector stays.
  void write_boot_code() const {
    constexpr std::size_t kCodeLength = 440;  // then disk signature and partition table
    constexpr std::size_t kKernelSector = 0x5c;
    constexpr std::size_t kDriveCheck = 0x66;  // a jump that hard disks must not take
    constexpr std::size_t kBlockList = gpt::kSector - 12;
    std::string boot = boot_file(tree_, kBootCode).substr(0, kCodeLength);
    std::string core = boot_file(tree_, kCore);
    if (boot.size() < kCodeLength || core.size() < 2 * gpt::kSector || core.size() > kBiosLength)
      throw Error(ErrorKind::failed, "GRUB's core does not fit into the BIOS boot partition, or is damaged",
                  "it has " + std::to_string(core.size()) + " bytes");
    set_little(boot, kKernelSector, kBiosStart / gpt::kSector, 8);
    boot.replace(kDriveCheck, 2, "\x90\x90");
    set_little(core, kBlockList, kBiosStart / gpt::kSector + 1, 8);
    write_all_at(image_.get(), 0, boot);
    write_all_at(image_.get(), kBiosStart, core);
  }

  const Tree& tree_;
  const WriteOptions& options_;
  const std::filesystem::path& path_;
  UniqueFd image_;
  std::vector<gpt::Partition> partitions_;
  std::uint64_t size_ = 0;
};

}  // namespace

std::uint32_t esp_serial(const Digest& seed) {
  const Uuid uuid = derived_uuid(seed, "esp");
  return static_cast<std::uint32_t>(read_little(uuid_bytes(uuid).substr(0, 4)));
}

void write_disk(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) {
  DiskWriter(tree, options, path).run();
}

}  // namespace alephc
