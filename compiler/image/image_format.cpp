// SPDX-License-Identifier: MIT
#include "image/image_format.hpp"

#include <array>

#include <fcntl.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"
#include "base/files.hpp"
#include "decode/decode.hpp"
#include "image/byte_source.hpp"
#include "image/content_reader.hpp"
#include "image/confined_reader.hpp"
#include "image/read_budget.hpp"
#include "tree/scan.hpp"

namespace alephc {
namespace {

constexpr std::array kFormats{ImageFormat{"squashfs", ".squashfs", false, false, write_squashfs},
                              ImageFormat{"ext4", ".ext4", false, false, write_ext4},
                              ImageFormat{"btrfs", ".btrfs", false, false, write_btrfs},
                              ImageFormat{"disk", ".img", false, true, write_disk},
                              ImageFormat{"qcow2", ".qcow2", false, true, write_qcow2},
                              ImageFormat{"tar", ".tar", false, false, write_tar},
                              ImageFormat{"dir", "", true, false, write_folder}};

/// Makes a listing of an archive, hashing as it streams by.
class ListingSink : public ArchiveSink {
 public:
  ListingSink(const ReadOptions& options, std::map<std::string, std::string>& texts, ReadBudget& budget)
      : options_(options), texts_(texts), budget_(budget) {}

  void begin_entry(const std::string& /*member*/, Entry entry) override {
    budget_.take_entry(entry.path);
    entry_ = std::move(entry);
    std::erase_if(entry_.xattrs, [](const Xattr& xattr) { return xattr.name.starts_with("trusted."); });
    text_ = entry_.type == EntryType::regular && options_.keeps(entry_.path) ? &texts_[entry_.path] : nullptr;
  }
  void data(std::string_view bytes) override {
    budget_.take_content(bytes.size());
    hash_.update(bytes);
    if (text_ == nullptr) return;
    budget_.take_text(bytes.size());
    *text_ += bytes;
  }
  void end_entry() override {
    if (entry_.type == EntryType::regular) entry_.content = hash_.finish();
    if (!entry_.hard_link.empty()) {
      const auto first = entries.find(entry_.hard_link);
      if (first == entries.end()) throw Error(ErrorKind::integrity, "a hard link to nothing: " + entry_.path);
      entry_.content = first->second.content;
      entry_.size = first->second.size;
      entry_.xattrs = first->second.xattrs;
    }
    entries.insert_or_assign(entry_.path, entry_);
  }

  std::map<std::string, Entry> entries;

 private:
  const ReadOptions& options_;
  std::map<std::string, std::string>& texts_;
  ReadBudget& budget_;
  Entry entry_;
  Sha256 hash_;
  std::string* text_ = nullptr;
};

/// Groups named by their first path in byte order, whatever the archive's order was.
Listing canonical(std::map<std::string, Entry>&& entries) {
  std::map<std::string, std::string> first_of;
  for (auto& [path, entry] : entries) {
    if (entry.hard_link.empty()) continue;
    const std::string group = entry.hard_link;
    const auto [it, is_new] = first_of.try_emplace(group, std::min(group, path));
    if (!is_new) it->second = std::min(it->second, path);
  }
  for (auto& [path, entry] : entries) {
    const auto it = first_of.find(entry.hard_link.empty() ? path : entry.hard_link);
    if (it != first_of.end()) entry.hard_link = it->second == path ? "" : it->second;
  }
  Listing listing;
  for (auto& [path, entry] : entries) listing.push_back(std::move(entry));
  return listing;
}

}  // namespace

const ImageFormat& image_format(const std::string& name) {
  for (const ImageFormat& format : kFormats)
    if (name == format.name) return format;
  throw Error(ErrorKind::failed, "unknown image format '" + name + "'");
}

std::vector<std::string> image_tools(const std::vector<std::string>& libraries) {
  std::vector<std::string> tools = image_tools();
  std::erase_if(tools, [&](const std::string& tool) {
    return std::find(libraries.begin(), libraries.end(), tool.substr(0, tool.find(' '))) == libraries.end();
  });
  return tools;
}

ImageSpec with_settings(ImageSpec image, const WriterSettings& settings) {
  // A disk is written as the filesystem in it.
  const std::string& format = image.format == "disk" ? image.filesystem : image.format;
  if (image.level == 0) image.level = settings.level_of(format, image.compression);
  return image;
}

ImageContent read_folder(const std::filesystem::path& path, const ReadOptions& options) {
  ImageContent content{.format = "dir"};
  content.listing = scan_folder(path, {.jobs = options.jobs, .hash = !options.only_wanted}).listing;
  for (const Entry& entry : content.listing)
    if (entry.type == EntryType::regular && options.keeps(entry.path))
      content.texts[entry.path] = read_file(path / entry.path);
  return content;
}

namespace {

ImageContent read_archive(const std::filesystem::path& path, const UniqueFd& fd, const ReadOptions& options) {
  ImageContent content{.format = "tar"};
  ReadBudget budget(FileSource(fd.get()).size());
  ListingSink sink(options, content.texts, budget);
  with_context("reading " + path.string(), [&] { decode_archive(fd.get(), ArchiveKind::image, sink); });
  content.listing = canonical(std::move(sink.entries));
  return content;
}

/// A format that is known by bytes at a place.
struct Magic {
  const char* format;
  std::uint64_t offset;
  std::string_view bytes;
  ImageContent (*read)(const ByteSource& image, const ReadOptions& options, ReadBudget& budget);
};
constexpr std::array kMagics{
    Magic{"squashfs", 0, "hsqs", read_squashfs},   Magic{"disk", 512, "EFI PART", read_disk},
    Magic{"qcow2", 0, "QFI\xfb", read_qcow2},      Magic{"ext4", 1080, "\x53\xef", read_ext4},
    Magic{"btrfs", 65600, "_BHRfS_M", read_btrfs},
};

/// Two bytes may be there by chance; the numbers around them are not.
bool is_ext4(const ByteSource& image) {
  const std::string block = image.bytes(1024, 1024);
  if (block.empty()) return false;
  const auto number = [&](std::size_t at) { return read_little(std::string_view(block).substr(at, 4)); };
  constexpr std::uint64_t kLargestBlock = 6;  // 1024 bytes, doubled so many times
  return number(24) <= kLargestBlock && number(20) <= 1 && number(76) <= 1 && number(0) > 0 && number(4) > 0;
}

bool has_magic(const ByteSource& image, const Magic& magic) {
  return image.bytes(magic.offset, magic.bytes.size()) == magic.bytes &&
         (std::string_view(magic.format) != "ext4" || is_ext4(image));
}

/// Refuses a file that could be mounted as two formats: which one the kernel takes depends on the host.
const Magic* find_magic(const ByteSource& image) {
  const Magic* found = nullptr;
  for (const Magic& magic : kMagics) {
    if (!has_magic(image, magic)) continue;
    if (found != nullptr)
      throw Error(ErrorKind::integrity, std::string("the image is of two formats, ") + found->format + " and " + magic.format);
    found = &magic;
  }
  return found;
}

/// The digest of the bytes in front of a bare filesystem, where a boot sector would be. Zero if all of them are zeros.
Digest boot_bytes(const ByteSource& image, const std::string& format) {
  const std::uint64_t size = format == "ext4" ? 1024 : format == "btrfs" ? 65536 : 0;
  const std::string bytes = image.bytes(0, size);
  return is_zeros(bytes) ? Digest{} : sha256(bytes);
}

}  // namespace

std::optional<std::string> image_format_of(const ByteSource& image) {
  const Magic* magic = find_magic(image);
  if (magic == nullptr) return std::nullopt;
  return magic->format;
}

std::optional<std::string> image_format_of(const std::filesystem::path& path) {
  const UniqueFd fd = open_regular(path);
  return image_format_of(FileSource(fd.get()));
}

ImageContent read_source(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) {
  const Magic* magic = find_magic(image);
  if (magic == nullptr) throw Error(ErrorKind::integrity, "the file is not an image of a known format");
  ImageContent content = magic->read(image, options, budget);
  if (!options.only_wanted && content.outside.is_zero()) content.outside = boot_bytes(image, content.format);
  return content;
}

ImageContent read_image(const std::filesystem::path& path, const ReadOptions& options) {
  if (std::filesystem::is_directory(path)) return read_folder(path, options);
  const UniqueFd fd = open_regular(path);
  if (!image_format_of(FileSource(fd.get()))) return read_archive(path, fd, options);
  return with_context("reading " + path.string(), [&] { return read_confined(fd.get(), options); });
}

}  // namespace alephc
