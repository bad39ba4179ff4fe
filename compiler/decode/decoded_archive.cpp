// SPDX-License-Identifier: MIT
#include "decode/decoded_archive.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "decode/wire.hpp"

namespace alephc {
namespace {

constexpr std::size_t kDigestSize = 32;
constexpr std::size_t kSha1Size = 20;
constexpr std::size_t kHexSize = 64;
constexpr std::size_t kMaxText = 64 * 1024 * 1024;  ///< of one control member

/// First message: another layout, or another newest time, is another archive.
std::string head_text(std::int64_t newest) {
  return "decoded archive 4, newest " + std::to_string(newest);
}

class FileSink : public ArchiveSink {
 public:
  FileSink(ArchiveKind kind, const std::filesystem::path& stem, std::int64_t newest)
      : has_members_(kind == ArchiveKind::tar_members),
        stem_(stem),
        folder_(open_file(stem.parent_path(), O_RDONLY | O_DIRECTORY)),
        space_(stem.parent_path()),
        newest_(newest) {}

  void owner_names(std::string user, std::string group) override {
    user_ = std::move(user);
    group_ = std::move(group);
  }

  void begin_entry(const std::string& member, Entry entry) override {
    entry.mtime = std::min(entry.mtime, newest_);
    entries.push_back({.member = member, .entry = std::move(entry)});
    last().user = std::exchange(user_, {});
    last().group = std::exchange(group_, {});
    if (!last().has_content()) return;
    last().content = stem_.string() + std::to_string(next_file_++);
    file_ =
        open_at(folder_.get(), last().content.filename().string(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  }

  void data(std::string_view bytes) override {
    throw_if_interrupted();
    space_.take(bytes.size());
    if (file_) {
      hash_.update(bytes);
      if (has_members_) sha1_.update(bytes);
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
    if (has_members_) last().sha1 = sha1_.finish();
    file_.reset();
  }

  void end_member(const std::string& member, std::uint64_t end) override {
    if (member == "control") control = {member_begin_, end};
    member_begin_ = end;
  }

  std::vector<DecodedEntry> entries;
  std::pair<std::uint64_t, std::uint64_t> control;  ///< where the control member is

 private:
  [[nodiscard]] DecodedEntry& last() { return entries.back(); }

  bool has_members_;
  std::uint64_t member_begin_ = 0;
  std::string user_;  ///< of the entry that comes
  std::string group_;
  std::filesystem::path stem_;
  UniqueFd folder_;
  SpaceGuard space_;
  std::int64_t newest_;
  std::uint32_t next_file_ = 0;
  UniqueFd file_;  ///< being written
  Sha256 hash_;
  Sha1 sha1_;
};

void put_entry(const DecodedEntry& decoded, std::string& out) {
  if (!decoded.user.empty() || !decoded.group.empty())
    put_message(out, WireTag::owner, pack_names(decoded.user, decoded.group));
  put_message(out, WireTag::entry, pack_entry(decoded.member, decoded.entry));
  const Digest& digest = decoded.entry.content;
  std::string hashes(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
  hashes += decoded.sha1;
  std::string_view rest = decoded.has_content() ? hashes : decoded.text;
  for (; !rest.empty(); rest.remove_prefix(std::min<std::size_t>(rest.size(), kWireDataLimit)))
    put_message(out, WireTag::data, rest.substr(0, kWireDataLimit));
  put_message(out, WireTag::end_entry, {});
}

/// False if the messages are not what put_entry writes.
bool take_entry(std::string_view& messages, DecodedEntry& decoded) {
  WireTag tag{};
  std::string_view payload;
  if (!next_message(messages, tag, payload)) return false;
  if (tag == WireTag::owner) {
    unpack_names(payload, decoded.user, decoded.group);
    if (!next_message(messages, tag, payload)) return false;
  }
  if (tag != WireTag::entry) return false;
  unpack_entry(payload, decoded.member, decoded.entry);
  do {
    if (!next_message(messages, tag, payload)) return false;
    decoded.text += payload;
  } while (tag == WireTag::data);
  if (!decoded.has_content()) return true;
  if (decoded.text.size() != kDigestSize && decoded.text.size() != kDigestSize + kSha1Size) return false;
  decoded.sha1 = decoded.text.substr(kDigestSize);
  std::copy_n(decoded.text.begin(), kDigestSize, reinterpret_cast<char*>(decoded.entry.content.bytes.data()));
  decoded.text.clear();
  return true;
}

}  // namespace

bool DecodedEntry::has_content() const {
  return member != "control" && member != "signature" && entry.type == EntryType::regular &&
         entry.hard_link.empty();
}

void set_content_attributes(int fd, const Entry& entry) {
  const std::array<timespec, 2> times{{{entry.mtime, 0}, {entry.mtime, 0}}};
  if (::fchown(fd, entry.uid, entry.gid) != 0 || ::fchmod(fd, entry.mode) != 0 ||
      ::futimens(fd, times.data()) != 0)
    throw system_error("set the owner of /" + entry.path, errno);
}

MemberHashes hash_members(int fd, std::uint64_t control_begin, std::uint64_t control_end) {
  if (control_end <= control_begin || control_end - control_begin > kMaxText)
    throw Error(ErrorKind::integrity, "the package has no control member, or too large a one");
  std::string bytes(control_end - control_begin, '\0');
  if (read_at(fd, control_begin, bytes) != static_cast<ssize_t>(bytes.size()))
    throw Error(ErrorKind::integrity, "the package was cut off while it was read");
  if (::lseek(fd, static_cast<off_t>(control_end), SEEK_SET) < 0) throw system_error("seek", errno);
  return {.control_sha1 = sha1_bytes(bytes), .data_sha256 = sha256_fd(fd)};
}

DecodedArchive decode_to_files(int fd, ArchiveKind kind, const std::filesystem::path& stem,
                               std::int64_t newest) {
  FileSink sink(kind, stem, newest);
  decode_archive(fd, kind, sink);
  DecodedArchive archive{.entries = std::move(sink.entries)};
  if (kind == ArchiveKind::tar_members) {
    const MemberHashes hashes = hash_members(fd, sink.control.first, sink.control.second);
    archive.control_sha1 = hashes.control_sha1;
    archive.data_sha256 = hashes.data_sha256;
  }
  return archive;
}

std::string decoded_text(const DecodedArchive& archive, std::int64_t newest) {
  std::string messages;
  put_message(messages, WireTag::entry, head_text(newest));
  put_message(messages, WireTag::end_member, archive.control_sha1 + archive.data_sha256.hex());
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
  std::string_view hashes;
  if (!next_message(messages, tag, hashes) || tag != WireTag::end_member || hashes.size() < kHexSize)
    return std::nullopt;
  archive.control_sha1 = hashes.substr(0, hashes.size() - kHexSize);
  const auto data = Digest::from_hex(hashes.substr(hashes.size() - kHexSize));
  if (!data) return std::nullopt;
  archive.data_sha256 = *data;
  while (!messages.empty())
    if (!take_entry(messages, archive.entries.emplace_back())) return std::nullopt;
  return archive;
}

}  // namespace alephc
