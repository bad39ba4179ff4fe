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
#include "base/interrupt.hpp"
#include "decode/wire.hpp"

namespace alephc {
namespace {

constexpr std::size_t kDigestSize = 32;
constexpr std::size_t kHexSize = 64;
constexpr std::size_t kMaxText = 64 * 1024 * 1024;  ///< of one control member

/// First message: another layout, or another newest time, is another archive.
std::string head_text(std::int64_t newest) {
  return "decoded archive 1, newest " + std::to_string(newest);
}

class FileSink : public ArchiveSink {
 public:
  FileSink(const std::filesystem::path& stem, std::int64_t newest)
      : stem_(stem), folder_(open_file(stem.parent_path(), O_RDONLY | O_DIRECTORY)), newest_(newest) {}

  void begin_entry(const std::string& member, Entry entry) override {
    entry.mtime = std::min(entry.mtime, newest_);
    entries.push_back({.member = member, .entry = std::move(entry)});
    if (!last().has_content()) return;
    last().content = stem_.string() + std::to_string(next_file_++);
    file_ =
        open_at(folder_.get(), last().content.filename().string(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
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
    if (!file_) return;
    struct stat info {};
    set_content_attributes(file_.get(), last().entry);
    if (::fstat(file_.get(), &info) != 0) throw system_error("look at /" + last().entry.path, errno);
    last().entry.size = static_cast<std::uint64_t>(info.st_size);
    last().entry.content = hash_.finish();
    file_.reset();
  }

  std::vector<DecodedEntry> entries;

 private:
  [[nodiscard]] DecodedEntry& last() { return entries.back(); }

  std::filesystem::path stem_;
  UniqueFd folder_;
  std::int64_t newest_;
  std::uint32_t next_file_ = 0;
  UniqueFd file_;  ///< being written
  Sha256 hash_;
};

void put_entry(const DecodedEntry& decoded, std::string& out) {
  put_message(out, WireTag::entry, pack_entry(decoded.member, decoded.entry));
  const Digest& digest = decoded.entry.content;
  std::string_view rest = decoded.text;
  if (decoded.has_content()) rest = {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
  for (; !rest.empty(); rest.remove_prefix(std::min<std::size_t>(rest.size(), kWireDataLimit)))
    put_message(out, WireTag::data, rest.substr(0, kWireDataLimit));
  put_message(out, WireTag::end_entry, {});
}

/// False if the messages are not what put_entry writes.
bool take_entry(std::string_view& messages, DecodedEntry& decoded) {
  WireTag tag{};
  std::string_view payload;
  if (!next_message(messages, tag, payload) || tag != WireTag::entry) return false;
  unpack_entry(payload, decoded.member, decoded.entry);
  do {
    if (!next_message(messages, tag, payload)) return false;
    decoded.text += payload;
  } while (tag == WireTag::data);
  if (!decoded.has_content()) return true;
  if (decoded.text.size() != kDigestSize) return false;
  std::copy(decoded.text.begin(), decoded.text.end(),
            reinterpret_cast<char*>(decoded.entry.content.bytes.data()));
  decoded.text.clear();
  return true;
}

}  // namespace

bool DecodedEntry::has_content() const {
  return member != "control" && entry.type == EntryType::regular && entry.hard_link.empty();
}

void set_content_attributes(int fd, const Entry& entry) {
  const std::array<timespec, 2> times{{{entry.mtime, 0}, {entry.mtime, 0}}};
  if (::fchown(fd, entry.uid, entry.gid) != 0 || ::fchmod(fd, entry.mode) != 0 ||
      ::futimens(fd, times.data()) != 0)
    throw system_error("set the owner of /" + entry.path, errno);
}

DecodedArchive decode_to_files(int fd, ArchiveKind kind, const std::filesystem::path& stem,
                               std::int64_t newest) {
  FileSink sink(stem, newest);
  decode_archive(fd, kind, sink);
  return {.entries = std::move(sink.entries)};
}

std::string decoded_text(const DecodedArchive& archive, std::int64_t newest) {
  std::string messages;
  put_message(messages, WireTag::entry, head_text(newest));
  for (const DecodedEntry& decoded : archive.entries) put_entry(decoded, messages);
  return sha256(messages).hex() + "\n" + messages;
}

std::optional<DecodedArchive> parse_decoded_text(std::string_view text, std::int64_t newest) {
  if (text.size() <= kHexSize) return std::nullopt;
  std::string_view messages = text.substr(kHexSize + 1);
  if (text.substr(0, kHexSize) != sha256(messages).hex() || text[kHexSize] != '\n') return std::nullopt;
  WireTag tag{};
  std::string_view head;
  if (!next_message(messages, tag, head) || head != head_text(newest)) return std::nullopt;
  DecodedArchive archive;
  while (!messages.empty())
    if (!take_entry(messages, archive.entries.emplace_back())) return std::nullopt;
  return archive;
}

}  // namespace alephc
