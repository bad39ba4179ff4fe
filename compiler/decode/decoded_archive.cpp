// SPDX-License-Identifier: MIT
#include "decode/decoded_archive.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/text.hpp"
#include "decode/wire.hpp"

namespace alephc {
namespace {

constexpr const char* kIndex = "index";
constexpr std::size_t kDigestSize = 32;
constexpr std::size_t kHexSize = 64;
constexpr std::size_t kMaxText = 64 * 1024 * 1024;  ///< of one control member

/// First message of an index: another layout, or another newest time, is another archive.
std::string index_head(std::int64_t newest) {
  return "decoded archive 1, newest " + std::to_string(newest);
}

bool has_file(const std::string& member, const Entry& entry) {
  return member != "control" && entry.type == EntryType::regular && entry.hard_link.empty();
}

class FolderSink : public ArchiveSink {
 public:
  FolderSink(const std::filesystem::path& folder, std::int64_t newest)
      : folder_(open_file(folder, O_RDONLY | O_DIRECTORY)), newest_(newest) {
    put_message(index_, WireTag::entry, index_head(newest));
  }

  void begin_entry(const std::string& member, Entry entry) override {
    entry.mtime = std::min(entry.mtime, newest_);
    entries_.push_back({.member = member, .entry = std::move(entry), .file = next_file_});
    if (!has_file(member, last().entry)) return;
    file_ = open_at(folder_.get(), std::to_string(next_file_++), O_WRONLY | O_CREAT | O_EXCL);
  }

  void data(std::string_view bytes) override {
    throw_if_interrupted();
    if (file_) {
      hash_.update(bytes);
      return write_all(file_.get(), bytes);
    }
    if (last().text.size() + bytes.size() > kMaxText)
      throw Error(ErrorKind::integrity, "a control file of the package is too large");
    last().text += bytes;
  }

  void end_entry() override {
    DecodedEntry& decoded = last();
    std::string content = decoded.text;
    if (file_) {
      set_attributes(decoded.entry);
      decoded.entry.content = hash_.finish();
      content = raw_bytes(decoded.entry.content);
      file_.reset();
    }
    put_message(index_, WireTag::entry, pack_entry(decoded.member, decoded.entry));
    for (std::string_view rest = content; !rest.empty();
         rest.remove_prefix(std::min<std::size_t>(rest.size(), kWireDataLimit)))
      put_message(index_, WireTag::data, rest.substr(0, kWireDataLimit));
    put_message(index_, WireTag::end_entry, {});
  }

  std::vector<DecodedEntry> finish() {
    const UniqueFd index = open_at(folder_.get(), kIndex, O_WRONLY | O_CREAT | O_EXCL);
    write_all(index.get(), sha256(index_).hex() + "\n");
    write_all(index.get(), index_);
    return std::move(entries_);
  }

 private:
  [[nodiscard]] DecodedEntry& last() { return entries_.back(); }

  static std::string raw_bytes(const Digest& digest) {
    return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
  }

  void set_attributes(Entry& entry) const {
    const std::array<timespec, 2> times{{{entry.mtime, 0}, {entry.mtime, 0}}};
    struct stat info {};
    if (::fchown(file_.get(), entry.uid, entry.gid) != 0 || ::fchmod(file_.get(), entry.mode) != 0 ||
        ::futimens(file_.get(), times.data()) != 0 || ::fstat(file_.get(), &info) != 0)
      throw system_error("set the owner of /" + entry.path, errno);
    entry.size = static_cast<std::uint64_t>(info.st_size);
  }

  UniqueFd folder_;
  std::int64_t newest_;
  std::vector<DecodedEntry> entries_;
  std::uint32_t next_file_ = 0;
  UniqueFd file_;  ///< being written
  Sha256 hash_;
  std::string index_;
};

/// Reads the messages of an index whose hash is right.
class IndexReader {
 public:
  explicit IndexReader(std::string_view messages) : rest_(messages) {}

  bool read(std::int64_t newest, std::vector<DecodedEntry>& entries) {
    WireTag tag{};
    std::string_view payload;
    if (!next_message(rest_, tag, payload) || payload != index_head(newest)) return false;
    std::uint32_t next_file = 0;
    while (next_message(rest_, tag, payload)) {
      if (tag != WireTag::entry) return false;
      DecodedEntry& decoded = entries.emplace_back();
      unpack_entry(payload, decoded.member, decoded.entry);
      decoded.file = next_file;
      if (!read_content(decoded)) return false;
      if (!has_file(decoded.member, decoded.entry)) continue;
      ++next_file;
      if (decoded.text.size() != kDigestSize) return false;
      std::copy(decoded.text.begin(), decoded.text.end(),
                reinterpret_cast<char*>(decoded.entry.content.bytes.data()));
      decoded.text.clear();
    }
    return rest_.empty();
  }

 private:
  bool read_content(DecodedEntry& decoded) {
    WireTag tag{};
    std::string_view payload;
    while (next_message(rest_, tag, payload)) {
      if (tag == WireTag::end_entry) return true;
      decoded.text += payload;
    }
    return false;
  }

  std::string_view rest_;
};

bool is_as_left(int folder_fd, const DecodedEntry& decoded) {
  const Entry& entry = decoded.entry;
  const UniqueFd file(
      ::openat(folder_fd, std::to_string(decoded.file).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  return file && ::fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode) &&
         (info.st_mode & 07777U) == entry.mode && info.st_uid == entry.uid && info.st_gid == entry.gid &&
         info.st_mtim.tv_sec == entry.mtime && static_cast<std::uint64_t>(info.st_size) == entry.size &&
         sha256_fd(file.get()) == entry.content;
}

}  // namespace

DecodedArchive decode_to_folder(int fd, ArchiveKind kind, const std::filesystem::path& folder,
                                std::int64_t newest) {
  FolderSink sink(folder, newest);
  decode_archive(fd, kind, sink);
  return {.folder = folder, .entries = sink.finish()};
}

std::optional<DecodedArchive> read_decoded(const std::filesystem::path& folder, std::int64_t newest) {
  const auto text = read_file_if_exists(folder / kIndex);
  if (!text || text->size() <= kHexSize) return std::nullopt;
  const std::string_view messages = std::string_view(*text).substr(kHexSize + 1);
  if (text->substr(0, kHexSize) != sha256(messages).hex()) return std::nullopt;
  DecodedArchive archive{.folder = folder};
  if (!IndexReader(messages).read(newest, archive.entries)) return std::nullopt;
  const UniqueFd root = open_file(folder, O_RDONLY | O_DIRECTORY);
  for (const DecodedEntry& decoded : archive.entries)
    if (has_file(decoded.member, decoded.entry) && !is_as_left(root.get(), decoded)) return std::nullopt;
  return archive;
}

}  // namespace alephc
