// SPDX-License-Identifier: MIT
#include "image/image_format.hpp"

#include <array>

#include <fcntl.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "decode/decode.hpp"
#include "tree/scan.hpp"

namespace alephc {
namespace {

constexpr std::array kFormats{ImageFormat{"squashfs", ".squashfs", false, write_squashfs},
                              ImageFormat{"ext4", ".ext4", false, write_ext4},
                              ImageFormat{"btrfs", ".btrfs", false, write_btrfs},
                              ImageFormat{"disk", ".img", false, write_disk},
                              ImageFormat{"qcow2", ".qcow2", false, write_qcow2},
                              ImageFormat{"tar", ".tar", false, write_tar},
                              ImageFormat{"dir", "", true, write_folder}};

/// Makes a listing of an archive, hashing as it streams by.
class ListingSink : public ArchiveSink {
 public:
  ListingSink(const ReadOptions& options, std::map<std::string, std::string>& texts)
      : options_(options), texts_(texts) {}

  void begin_entry(const std::string& /*member*/, Entry entry) override {
    entry_ = std::move(entry);
    std::erase_if(entry_.xattrs, [](const Xattr& xattr) { return xattr.name.starts_with("trusted."); });
    text_ = entry_.type == EntryType::regular && options_.keeps(entry_.path) ? &texts_[entry_.path] : nullptr;
  }
  void data(std::string_view bytes) override {
    hash_.update(bytes);
    if (text_ != nullptr) *text_ += bytes;
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
  ListingSink sink(options, content.texts);
  with_context("reading " + path.string(), [&] { decode_archive(fd.get(), ArchiveKind::image, sink); });
  content.listing = canonical(std::move(sink.entries));
  return content;
}

/// A format that is known by bytes at a place.
struct Magic {
  const char* format;
  std::uint64_t offset;
  std::string_view bytes;
  ImageContent (*read)(const std::filesystem::path& path, const ReadOptions& options);
};
constexpr std::array kMagics{
    Magic{"squashfs", 0, "hsqs", read_squashfs},   Magic{"disk", 512, "EFI PART", read_disk},
    Magic{"qcow2", 0, "QFI\xfb", read_qcow2},      Magic{"ext4", 1080, "\x53\xef", read_ext4},
    Magic{"btrfs", 65600, "_BHRfS_M", read_btrfs},
};

const Magic* find_magic(int fd, std::uint64_t offset) {
  for (const Magic& magic : kMagics) {
    std::string head(magic.bytes.size(), '\0');
    if (read_at(fd, offset + magic.offset, head) == static_cast<ssize_t>(head.size()) && head == magic.bytes)
      return &magic;
  }
  return nullptr;
}

}  // namespace

std::optional<std::string> image_format_of(int fd, std::uint64_t offset) {
  const Magic* magic = find_magic(fd, offset);
  if (magic == nullptr) return std::nullopt;
  return magic->format;
}

std::optional<std::string> image_format_of(const std::filesystem::path& path) {
  return image_format_of(open_file(path, O_RDONLY).get());
}

ImageContent read_image(const std::filesystem::path& path, const ReadOptions& options) {
  if (std::filesystem::is_directory(path)) return read_folder(path, options);
  const UniqueFd fd = open_file(path, O_RDONLY);
  const Magic* magic = find_magic(fd.get(), 0);
  return magic != nullptr ? magic->read(path, options) : read_archive(path, fd, options);
}

}  // namespace alephc
