// SPDX-License-Identifier: MIT
#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "image/disk/fat.hpp"
#include "image/disk/gpt.hpp"
#include "image/disk/qcow2.hpp"
#include "image/filesystem_image.hpp"
#include "image/image_format.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

/// A partition as a file of its own: the readers of filesystems take files.
void extract(int disk, const gpt::Partition& partition, const fs::path& file) {
  const UniqueFd out = open_file(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (::ftruncate(out.get(), static_cast<off_t>(partition.length)) != 0)
    throw system_error("take a partition out of the disk", errno);
  if (!copy_data(disk, partition.start, out.get(), 0, partition.length))
    throw Error(ErrorKind::integrity, "the disk is cut off");
}

void add_esp(int disk, const gpt::Partition& partition, const ReadOptions& options, ImageContent& content) {
  if (find_entry(content.listing, kEspFolder) == nullptr) return;
  for (fat::File& file : fat::read_volume(disk, partition.start)) {
    Entry entry{.path = join_path(kEspFolder, file.path),
                .type = file.is_folder ? EntryType::directory : EntryType::regular,
                .mode = 0755};
    if (!file.is_folder) {
      entry.size = file.content.size();
      entry.content = sha256(file.content);
      if (options.keeps(entry.path)) content.texts[entry.path] = std::move(file.content);
    }
    const auto place = lower_bound_path(content.listing, entry.path);
    content.listing.insert(place, std::move(entry));
  }
}

bool has_filesystem(int disk, const gpt::Partition& partition) {
  return is_filesystem(image_format_of(disk, partition.start).value_or(""));
}

}  // namespace

ImageContent read_disk(const fs::path& path, const ReadOptions& options) {
  const UniqueFd disk = open_file(path, O_RDONLY);
  const auto partitions =
      with_context("reading " + path.string(), [&] { return gpt::read_tables(disk.get()); });
  check(partitions.has_value(), "a disk is known by its partition table");
  const auto root =
      std::find_if(partitions->begin(), partitions->end(),
                   [&](const gpt::Partition& partition) { return has_filesystem(disk.get(), partition); });
  if (root == partitions->end())
    throw Error(ErrorKind::failed, "no partition of " + path.string() + " holds ext4 or btrfs");
  const TempDir work(fs::temp_directory_path(), "alephc-disk");
  extract(disk.get(), *root, work.path() / "root");
  ImageContent content = read_image(work.path() / "root", options);
  for (const gpt::Partition& partition : *partitions)
    if (partition.type == gpt::kEfiSystem) add_esp(disk.get(), partition, options, content);
  content.format = "disk";
  return content;
}

ImageContent read_qcow2(const fs::path& path, const ReadOptions& options) {
  const TempDir work(fs::temp_directory_path(), "alephc-disk");
  const fs::path disk = work.path() / "disk";
  with_context("reading " + path.string(), [&] { unpack_qcow2(path, disk); });
  ImageContent content = read_image(disk, options);
  content.format = "qcow2";
  return content;
}

}  // namespace alephc
