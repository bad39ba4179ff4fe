// SPDX-License-Identifier: MIT
#include "image/image_format.hpp"

#include <algorithm>
#include <array>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "image/btrfs/btrfs.hpp"
#include "image/byte_source.hpp"
#include "image/confined_reader.hpp"
#include "image/content_reader.hpp"
#include "image/disk/disk.hpp"
#include "image/ext4/ext4.hpp"
#include "image/folder/folder.hpp"
#include "image/libraries.hpp"
#include "image/read_budget.hpp"
#include "image/squashfs/squashfs.hpp"
#include "image/tar/tar.hpp"

namespace alephc {
namespace {

// The table of formats. image_tools() names libraries in this order.
const auto& formats() {
  static const std::array kFormats{&squashfs_format(), &ext4_format(), &btrfs_format(), &disk_format(),
                                   &qcow2_format(),    &tar_format(),  &folder_format()};
  return kFormats;
}

const ImageFormat* find_format(std::string_view name) {
  for (const ImageFormat* format : formats())
    if (format->name == name) return format;
  return nullptr;
}

bool has_magic(const ByteSource& image, const Magic& magic) {
  return !magic.bytes.empty() && image.bytes(magic.offset, magic.bytes.size()) == magic.bytes &&
         (magic.confirms == nullptr || magic.confirms(image));
}

/// Refuses a file that could be mounted as two formats: which one the kernel takes depends on the host.
const ImageFormat* find_format(const ByteSource& image) {
  const ImageFormat* found = nullptr;
  for (const ImageFormat* format : formats()) {
    if (!has_magic(image, format->magic)) continue;
    if (found != nullptr)
      throw Error(ErrorKind::integrity, "the image is of two formats, " + std::string(found->name) + " and " +
                                            std::string(format->name));
    found = format;
  }
  return found;
}

/// The digest of the bytes in front of a bare filesystem, where a boot sector would be. Zero if all of them are zeros.
Digest boot_bytes(const ByteSource& image, const ImageFormat& format) {
  const std::string bytes = image.bytes(0, format.boot_area);
  return is_zeros(bytes) ? Digest{} : sha256(bytes);
}

}  // namespace

bool ImageFormat::has_key(std::string_view key) const {
  const std::vector<std::string> names = split(keys, '|');
  return std::find(names.begin(), names.end(), key) != names.end();
}

std::vector<const ImageFormat*> image_formats() {
  return {formats().begin(), formats().end()};
}

const ImageFormat& image_format(std::string_view name) {
  const ImageFormat* format = find_format(name);
  if (format == nullptr) throw Error(ErrorKind::failed, "unknown image format '" + std::string(name) + "'");
  return *format;
}

std::vector<std::string> compressions_of(std::string_view format) {
  return split(image_format(format).compressions, '|');
}

void settle_compression(ImageSpec& image) {
  const std::vector<std::string> known = compressions_of(image.format);
  if (std::find(known.begin(), known.end(), image.compression) == known.end())
    image.compression = known.front();
}

bool is_disk(std::string_view format) {
  const ImageFormat* found = find_format(format);
  return found != nullptr && found->is_disk;
}

bool is_partition_format(std::string_view format) {
  const ImageFormat* found = find_format(format);
  return found != nullptr && found->partition.write != nullptr;
}

std::vector<std::string> image_tools() {
  std::vector<std::string> tools;
  for (const ImageFormat* format : formats()) {
    if (format->libraries == nullptr) continue;
    for (std::string& tool : format->libraries()) {
      if (!has_pinned_libraries()) tool += " of this machine";
      if (std::find(tools.begin(), tools.end(), tool) == tools.end()) tools.push_back(std::move(tool));
    }
  }
  return tools;
}

std::vector<std::string> image_tools(const std::vector<std::string>& libraries) {
  std::vector<std::string> tools = image_tools();
  std::erase_if(tools, [&](const std::string& tool) {
    const std::string name = tool.substr(0, tool.find(' ') + 1);
    return std::none_of(libraries.begin(), libraries.end(),
                        [&](const std::string& library) { return library.starts_with(name); });
  });
  return tools;
}

ImageSpec with_settings(ImageSpec image, const WriterSettings& settings) {
  const std::string& format =
      image_format(image.format).level_of_filesystem ? image.filesystem : image.format;
  if (image.level == 0) image.level = settings.level_of(format, image.compression);
  return image;
}

std::optional<std::string> image_format_of(const ByteSource& image) {
  const ImageFormat* format = find_format(image);
  if (format == nullptr) return std::nullopt;
  return std::string(format->name);
}

std::optional<std::string> image_format_of(const std::filesystem::path& path) {
  const UniqueFd fd = open_regular(path);
  return image_format_of(FileSource(fd.get()));
}

ImageFields image_fields(const std::filesystem::path& path) {
  const UniqueFd fd = open_regular(path);
  const FileSource image(fd.get());
  const ImageFormat* format = find_format(image);
  return format == nullptr || format->fields == nullptr ? ImageFields{} : format->fields(image);
}

ImageContent read_source(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) {
  const ImageFormat* format = find_format(image);
  if (format == nullptr) throw Error(ErrorKind::integrity, "the file is not an image of a known format");
  ImageContent content = format->read(image, options, budget);
  if (!options.only_wanted && content.outside.is_zero()) content.outside = boot_bytes(image, *format);
  return content;
}

ImageContent read_image(const std::filesystem::path& path, const ReadOptions& options) {
  if (std::filesystem::is_directory(path)) return read_folder(path, options);
  const UniqueFd fd = open_regular(path);
  if (!image_format_of(FileSource(fd.get()))) return read_archive(path, fd, options);
  return with_context("reading " + path.string(), [&] { return read_confined(fd.get(), options); });
}

}  // namespace alephc
