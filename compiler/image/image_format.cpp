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
                              ImageFormat{"tar", ".tar", false, write_tar},
                              ImageFormat{"dir", "", true, write_folder}};

/// Makes a listing of an archive, hashing as it streams by.
class ListingSink : public ArchiveSink {
 public:
  ListingSink(const std::function<bool(const std::string&)>& wanted,
              std::map<std::string, std::string>& texts)
      : wanted_(wanted), texts_(texts) {}

  void begin_entry(const std::string& /*member*/, Entry entry) override {
    entry_ = std::move(entry);
    std::erase_if(entry_.xattrs, [](const Xattr& xattr) { return xattr.name.starts_with("trusted."); });
    text_ = entry_.type == EntryType::regular && wanted_(entry_.path) ? &texts_[entry_.path] : nullptr;
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
    }
    entries.insert_or_assign(entry_.path, entry_);
  }

  std::map<std::string, Entry> entries;

 private:
  const std::function<bool(const std::string&)>& wanted_;
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

ImageContent read_image_texts(const std::filesystem::path& path, unsigned jobs,
                              const std::function<bool(const std::string&)>& wanted,
                              std::map<std::string, std::string>& texts) {
  if (std::filesystem::is_directory(path)) {
    ImageContent content{.format = "dir", .listing = scan_folder(path, {.jobs = jobs}).listing};
    for (const Entry& entry : content.listing)
      if (entry.type == EntryType::regular && wanted(entry.path))
        texts[entry.path] = read_file(path / entry.path);
    return content;
  }
  const UniqueFd fd = open_file(path, O_RDONLY);
  std::array<char, 4> magic{};
  if (::pread(fd.get(), magic.data(), magic.size(), 0) == 4 && std::string_view(magic.data(), 4) == "hsqs")
    return {"squashfs", read_squashfs(path, wanted, texts)};
  ListingSink sink(wanted, texts);
  with_context("reading " + path.string(), [&] { decode_archive(fd.get(), ArchiveKind::image, sink); });
  return {"tar", canonical(std::move(sink.entries))};
}

ImageContent read_image(const std::filesystem::path& path, unsigned jobs) {
  std::map<std::string, std::string> texts;
  return read_image_texts(
      path, jobs, [](const std::string&) { return false; }, texts);
}

}  // namespace alephc
