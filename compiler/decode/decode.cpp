// SPDX-License-Identifier: MIT
#include "decode/decode.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "decode/decode_server.hpp"
#include "decode/wire.hpp"

namespace alephc {
namespace {

constexpr std::size_t kMaxPath = limits::kPathBytes;

/// "./a/b/" → "a/b". Anything that leaves the root, or could, is refused.
std::string clean_path(const std::string& path) {
  const auto refuse = [&](const char* why) -> Error {
    return Error(ErrorKind::integrity,
                 "the archive has the path '" + path.substr(0, 200) + "', which " + why);
  };
  if (path.size() > kMaxPath) throw refuse("is too long");
  if (path.starts_with('/')) throw refuse("is absolute");
  std::string out;
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") throw refuse("leaves the root");
    if (part.size() > 255) throw refuse("has a name of more than 255 bytes");
    out += (out.empty() ? "" : "/") + part;
  }
  return out;
}

void check_entry(Entry& entry, ArchiveKind kind) {
  const std::string shown = entry.path.substr(0, 200);
  entry.path = clean_path(entry.path);
  if (!entry.hard_link.empty()) entry.hard_link = clean_path(entry.hard_link);
  switch (entry.type) {
    using enum EntryType;
    case regular:
    case directory:
    case fifo:
      return;
    case symlink:
      if (entry.link_target.empty() || entry.link_target.size() > kMaxPath ||
          entry.link_target.find('\0') != std::string::npos)
        throw Error(ErrorKind::integrity,
                    "the archive has the symlink '" + shown + "' with an impossible target");
      entry.mode = 0777;
      return;
    case char_device:
    case block_device:
      if (kind == ArchiveKind::image || kind == ArchiveKind::initramfs) return;
      throw Error(ErrorKind::integrity,
                  "the archive has the device '" + shown + "', which no package may bring");
    case whiteout:
      break;
  }
  throw Error(ErrorKind::integrity, "the archive has '" + shown + "' of a type that no image can hold");
}

class TextSink : public ArchiveSink {
 public:
  explicit TextSink(std::uint64_t limit) : limit_(limit) {}
  void begin_entry(const std::string& /*member*/, Entry /*entry*/) override {}
  void data(std::string_view bytes) override {
    if (text.size() + bytes.size() > limit_)
      throw Error(ErrorKind::integrity, "decompresses to more than " + human_size(limit_));
    text += bytes;
  }
  void end_entry() override {}

  std::string text;

 private:
  std::uint64_t limit_;
};

/// What an archive of a size may hold at most.
class Bounds {
 public:
  explicit Bounds(int archive_fd) {
    struct stat info {};
    if (::fstat(archive_fd, &info) == 0) packed_ = static_cast<std::uint64_t>(info.st_size);
  }
  void take_entry(const Entry& entry) {
    if (++entries_ > limits::kArchiveEntries)
      throw Error(ErrorKind::integrity,
                  "the archive has more than " + std::to_string(limits::kArchiveEntries) + " entries", kHint);
    names_ += entry.path.size() + entry.hard_link.size() + entry.link_target.size();
    for (const Xattr& xattr : entry.xattrs) {
      if (xattr.value.size() > limits::kXattrBytes)
        throw Error(ErrorKind::integrity,
                    "the archive has an extended attribute of more than " + human_size(limits::kXattrBytes), kHint);
      names_ += xattr.name.size() + xattr.value.size();
    }
    if (names_ > limits::kArchiveNames)
      throw Error(ErrorKind::integrity,
                  "the archive has more than " + human_size(limits::kArchiveNames) +
                      " of names, links and extended attributes",
                  kHint);
  }
  void take(std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ > limits::kArchiveBytes)
      throw Error(ErrorKind::integrity, "the archive unpacks to more than " + human_size(limits::kArchiveBytes),
                  kHint);
    if (bytes_ > limits::kRatioFree && bytes_ / limits::kArchiveRatio > packed_)
      throw Error(ErrorKind::integrity,
                  "the archive unpacks to more than " + std::to_string(limits::kArchiveRatio) +
                      " times its size",
                  kHint);
  }

 private:
  static constexpr const char* kHint = "docs/limits.md lists what alephc takes from an archive at most";
  std::uint64_t packed_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t names_ = 0;  ///< bytes
  std::uint64_t bytes_ = 0;
};

void read_messages(int wire_fd, ArchiveKind kind, Bounds bounds, ArchiveSink& sink) {
  WireReader reader(wire_fd);
  WireTag tag{};
  std::string_view payload;
  bool in_entry = false;
  std::string member;
  while (reader.get(tag, payload)) {
    switch (tag) {
      case WireTag::owner: {
        std::string user;
        std::string group;
        unpack_names(payload, user, group);
        sink.owner_names(std::move(user), std::move(group));
        break;
      }
      case WireTag::entry: {
        if (in_entry) throw Error(ErrorKind::integrity, "the decoder sent a broken message");
        Entry entry;
        unpack_entry(payload, member, entry);
        bounds.take_entry(entry);
        if (kind == ArchiveKind::stream) entry = Entry{};
        check_entry(entry, kind);
        in_entry = true;
        sink.begin_entry(member, std::move(entry));
        break;
      }
      case WireTag::data:
        if (!in_entry) throw Error(ErrorKind::integrity, "the decoder sent a broken message");
        bounds.take(payload.size());
        sink.data(payload);
        break;
      case WireTag::end_entry:
        in_entry = false;
        sink.end_entry();
        break;
      case WireTag::end_member: {
        if (in_entry) throw Error(ErrorKind::integrity, "the decoder sent a broken message");
        std::uint64_t end = 0;
        unpack_member_end(payload, member, end);
        sink.end_member(member, end);
        break;
      }
      case WireTag::finished:
        return;
      case WireTag::failed:
        throw Error(ErrorKind::integrity, "damaged archive: " + std::string(payload));
      case WireTag::not_started:
        throw Error(ErrorKind::host, "cannot start the process that reads archives: " + std::string(payload),
                    "'alephc doctor' shows what is missing");
    }
  }
  throw Error(ErrorKind::integrity, "the decoder died while it read the archive");
}

}  // namespace

void decode_archive(int fd, ArchiveKind kind, ArchiveSink& sink) {
  const UniqueFd decoder = start_decoder(fd, kind);
  read_messages(decoder.get(), kind, Bounds(fd), sink);
}

std::string decompress(int fd, std::uint64_t limit) {
  TextSink sink(limit);
  decode_archive(fd, ArchiveKind::stream, sink);
  return std::move(sink.text);
}

}  // namespace alephc
