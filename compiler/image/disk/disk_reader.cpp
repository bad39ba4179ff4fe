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
#include "image/image_format.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

/// A partition as a file of its own: the readers of filesystems take files.
void extract(int disk, const gpt::Partition& partition, const fs::path& file) {
  const UniqueFd out = open_file(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (::ftruncate(out.get(), static_cast<off_t>(partition.length)) != 0)
    throw system_error("take a partition out of the disk", errno);
  const std::uint64_t end = partition.start + partition.length;
  for (std::uint64_t at = partition.start; at < end;) {
    const off_t data = ::lseek(disk, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 || static_cast<std::uint64_t>(data) >= end) return;
    const auto hole = static_cast<std::uint64_t>(::lseek(disk, data, SEEK_HOLE));
    const auto from = static_cast<std::uint64_t>(data);
    const std::uint64_t length = std::min(hole, end) - from;
    if (!copy_range(disk, from, out.get(), from - partition.start, length))
      throw Error(ErrorKind::integrity, "the disk is cut off");
    at = from + length;
  }
}

void add_esp(int disk, const gpt::Partition& partition, const ReadOptions& options, ImageContent& content) {
  const std::string folder = "boot/efi";
  if (find_entry(content.listing, folder) == nullptr) return;
  for (fat::File& file : fat::read_volume(disk, partition.start)) {
    Entry entry{.path = folder + "/" + file.path,
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
  for (const auto& [offset, magic] : {std::pair<std::uint64_t, std::string_view>{1080, "\x53\xef"},
                                      std::pair<std::uint64_t, std::string_view>{65600, "_BHRfS_M"}}) {
    std::string head(magic.size(), '\0');
    if (read_at(disk, partition.start + offset, head) == static_cast<ssize_t>(head.size()) && head == magic)
      return true;
  }
  return false;
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
