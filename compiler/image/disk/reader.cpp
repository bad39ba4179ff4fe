// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iterator>
#include <optional>

#include <fcntl.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "image/byte_source.hpp"
#include "image/disk/disk.hpp"
#include "image/disk/fat.hpp"
#include "image/disk/gpt.hpp"
#include "image/disk/outside.hpp"
#include "image/disk/qcow2.hpp"
#include "image/filesystem_image.hpp"
#include "image/image_format.hpp"
#include "image/read_budget.hpp"

namespace alephc {
namespace {

struct Partitions {
  gpt::Partition root{};
  std::vector<gpt::Partition> esps{};
};

PartSource part_of(const ByteSource& disk, const gpt::Partition& partition) {
  return {disk, partition.start, partition.length};
}

Partitions find_partitions(const ByteSource& disk) {
  const auto partitions = gpt::read_tables(disk);
  check(partitions.has_value(), "a disk is known by its partition table");
  const auto root =
      std::find_if(partitions->begin(), partitions->end(), [&](const gpt::Partition& partition) {
        return is_partition_format(image_format_of(part_of(disk, partition)).value_or(""));
      });
  if (root == partitions->end())
    throw Error(ErrorKind::failed, "no partition of the disk holds ext4 or btrfs");
  Partitions found{.root = *root};
  std::copy_if(partitions->begin(), partitions->end(), std::back_inserter(found.esps),
               [](const gpt::Partition& partition) { return partition.type == gpt::kEfiSystem; });
  return found;
}

/// An EFI system partition counts twice, with its files and with all its bytes: firmware reads what no listing shows, short
/// names and a second table. No compressor shapes it, so equal trees have equal ones.
Digest outside(const ByteSource& disk, const Partitions& partitions, ReadBudget& budget) {
  return outside_digest(disk, {partitions.root}, budget);
}

void add_esp(const ByteSource& esp, const ReadOptions& options, ReadBudget& budget, ImageContent& content) {
  for (fat::File& file : fat::read_volume(esp, budget)) {
    Entry entry{.path = join_path(kEspFolder, file.path),
                .type = file.is_folder ? EntryType::directory : EntryType::regular,
                .mode = 0755};
    if (!file.is_folder) {
      entry.size = file.content.size();
      entry.content = sha256(file.content);
      if (options.keeps(entry.path)) {
        budget.take_text(entry.size);
        content.texts[entry.path] = std::move(file.content);
      }
    }
    const auto place = lower_bound_path(content.listing, entry.path);
    if (place != content.listing.end() && place->path == entry.path)
      throw Error(ErrorKind::integrity,
                  "/" + entry.path + " is in the root filesystem and in the EFI system partition");
    content.listing.insert(place, std::move(entry));
  }
}

}  // namespace

ImageContent read_disk(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) {
  const Partitions partitions = find_partitions(image);
  ImageContent content = read_source(part_of(image, partitions.root), options, budget);
  const bool has_esp_folder = find_entry(content.listing, kEspFolder) != nullptr;
  if (has_esp_folder)
    for (const gpt::Partition& esp : partitions.esps) add_esp(part_of(image, esp), options, budget, content);
  content.format = "disk";
  if (!options.only_wanted) content.outside = outside(image, partitions, budget);
  return content;
}

ImageContent read_qcow2(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) {
  const Qcow2Source disk(image);
  if (image_format_of(disk) == "qcow2")
    throw Error(ErrorKind::integrity, "the qcow2 image holds another qcow2 image");
  ImageContent content = read_source(disk, options, budget);
  content.format = "qcow2";
  return content;
}

Digest outside_of_disk(const std::filesystem::path& image) {
  const UniqueFd fd = open_file(image, O_RDONLY);
  const FileSource file(fd.get());
  std::optional<Qcow2Source> qcow2;
  if (image_format_of(file) == "qcow2") qcow2.emplace(file);
  const ByteSource& disk = qcow2 ? static_cast<const ByteSource&>(*qcow2) : file;
  ReadBudget budget(disk.size());
  return outside(disk, find_partitions(disk), budget);
}

}  // namespace alephc
