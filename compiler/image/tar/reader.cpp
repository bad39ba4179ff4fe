// SPDX-License-Identifier: MIT
#include <algorithm>

#include "base/diagnostic.hpp"
#include "decode/decode.hpp"
#include "image/byte_source.hpp"
#include "image/read_budget.hpp"
#include "image/tar/tar.hpp"

namespace alephc {
namespace {

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

ImageContent read_archive(const std::filesystem::path& path, const UniqueFd& fd, const ReadOptions& options) {
  ImageContent content{.format = "tar"};
  ReadBudget budget(FileSource(fd.get()).size());
  ListingSink sink(options, content.texts, budget);
  with_context("reading " + path.string(), [&] { decode_archive(fd.get(), ArchiveKind::image, sink); });
  content.listing = canonical(std::move(sink.entries));
  return content;
}

}  // namespace alephc
