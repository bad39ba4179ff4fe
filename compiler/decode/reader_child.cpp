// SPDX-License-Identifier: MIT
#include "decode/reader_child.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "decode/confinement.hpp"
#include "decode/gzip_members.hpp"
#include "decode/wire.hpp"
#include "decode/xz_stream.hpp"

namespace alephc {
namespace {

constexpr std::size_t kBlock = 256 * 1024;
constexpr rlim_t kMemoryLimit = 2ULL << 30U;

struct FreeArchive {
  void operator()(archive* a) const { ::archive_read_free(a); }
};
using Archive = std::unique_ptr<archive, FreeArchive>;

[[noreturn]] void fail(archive* a) {
  const char* text = ::archive_error_string(a);
  throw std::runtime_error(text != nullptr ? text : "damaged archive");
}

EntryType type_of(archive_entry* header) {
  using enum EntryType;
  switch (::archive_entry_filetype(header)) {
    case AE_IFREG:
      return regular;
    case AE_IFDIR:
      return directory;
    case AE_IFLNK:
      return symlink;
    case AE_IFCHR:
      return char_device;
    case AE_IFBLK:
      return block_device;
    case AE_IFIFO:
      return fifo;
    default:
      return whiteout;  // nothing the parent accepts
  }
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

Entry entry_of(archive_entry* header) {
  Entry entry;
  entry.path = text_or_empty(::archive_entry_pathname(header));
  entry.type = type_of(header);
  entry.hard_link = text_or_empty(::archive_entry_hardlink(header));
  if (!entry.hard_link.empty()) entry.type = EntryType::regular;
  entry.mode = ::archive_entry_perm(header);
  entry.uid = static_cast<std::uint32_t>(::archive_entry_uid(header));
  entry.gid = static_cast<std::uint32_t>(::archive_entry_gid(header));
  entry.mtime = ::archive_entry_mtime(header);
  if (entry.type == EntryType::regular && entry.hard_link.empty())
    entry.size = static_cast<std::uint64_t>(std::max<la_int64_t>(0, ::archive_entry_size(header)));
  entry.link_target = text_or_empty(::archive_entry_symlink(header));
  entry.major = static_cast<std::uint32_t>(::archive_entry_rdevmajor(header));
  entry.minor = static_cast<std::uint32_t>(::archive_entry_rdevminor(header));
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  ::archive_entry_xattr_reset(header);
  while (::archive_entry_xattr_next(header, &name, &value, &size) == ARCHIVE_OK)
    if (name != nullptr) entry.xattrs.push_back({name, {static_cast<const char*>(value), size}});
  std::sort(entry.xattrs.begin(), entry.xattrs.end());
  return entry;
}

/// Sparse files come as blocks with gaps; the gaps are sent as zeros.
void send_data(archive* a, WireWriter& out) {
  static const std::array<char, kWireDataLimit> kZeros{};
  std::uint64_t sent = 0;
  for (;;) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int result = ::archive_read_data_block(a, &block, &size, &offset);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail(a);
    while (sent < static_cast<std::uint64_t>(offset)) {
      const std::size_t gap =
          std::min<std::uint64_t>(kZeros.size(), static_cast<std::uint64_t>(offset) - sent);
      out.put(WireTag::data, {kZeros.data(), gap});
      sent += gap;
    }
    std::string_view rest(static_cast<const char*>(block), size);
    sent += size;
    while (!rest.empty()) {
      out.put(WireTag::data, rest.substr(0, kWireDataLimit));
      rest.remove_prefix(std::min<std::size_t>(rest.size(), kWireDataLimit));
    }
  }
}

/// Names of owners that are sent: root's number says as much as its name.
enum class OwnerNames { none, all, all_but_root };

void send_owner(archive_entry* header, const Entry& entry, OwnerNames wanted, WireWriter& out) {
  if (wanted == OwnerNames::none) return;
  const std::string user = text_or_empty(::archive_entry_uname(header));
  const std::string group = text_or_empty(::archive_entry_gname(header));
  const auto is_root = [](const std::string& name, std::uint32_t id) {
    return id == 0 && (name.empty() || name == "root");
  };
  if (wanted == OwnerNames::all_but_root && is_root(user, entry.uid) && is_root(group, entry.gid)) return;
  out.put(WireTag::owner, pack_names(user, group));
}

void send_entries(archive* a, const std::function<std::string(const Entry&)>& member_of, WireWriter& out,
                  OwnerNames names = OwnerNames::none) {
  archive_entry* header = nullptr;
  for (;;) {
    const int result = ::archive_read_next_header(a, &header);
    if (result == ARCHIVE_EOF) return;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail(a);
    const Entry entry = entry_of(header);
    send_owner(header, entry, names, out);
    out.put(WireTag::entry, pack_entry(member_of(entry), entry));
    if (entry.type == EntryType::regular && entry.hard_link.empty()) send_data(a, out);
    out.put(WireTag::end_entry, {});
  }
}

void support_filters(archive* a) {
  ::archive_read_support_filter_gzip(a);
  ::archive_read_support_filter_xz(a);
  ::archive_read_support_filter_lzma(a);
  ::archive_read_support_filter_zstd(a);
  ::archive_read_support_filter_bzip2(a);
  ::archive_read_support_filter_lz4(a);
}

/// Where libarchive reads from.
struct Source {
  XzStream::Source read;
  std::vector<char> buffer = std::vector<char>(kBlock);
};

/// The source must live as long as the archive.
void open_source(archive* a, Source& source) {
  const auto read = [](archive* self, void* data, const void** out) -> la_ssize_t {
    auto* from = static_cast<Source*>(data);
    *out = from->buffer.data();
    try {
      return static_cast<la_ssize_t>(from->read(from->buffer));
    } catch (const std::exception& error) {
      ::archive_set_error(self, EILSEQ, "%s", error.what());
      return -1;
    }
  };
  if (::archive_read_open(a, &source, nullptr, read, nullptr) != ARCHIVE_OK) fail(a);
}

XzStream::Source decompressed(XzStream::Source xz) {
  const auto stream = std::make_shared<XzStream>(std::move(xz));
  return [stream](std::span<char> into) { return stream->read(into); };
}

bool is_xz(int fd) {
  std::array<char, XzStream::kMagic.size()> magic{};
  return read_at(fd, 0, magic) == static_cast<ssize_t>(magic.size()) &&
         std::string_view(magic.data(), magic.size()) == XzStream::kMagic;
}

void send_deb(int fd, WireWriter& out) {
  const Archive outer(::archive_read_new());
  ::archive_read_support_format_ar(outer.get());
  if (::archive_read_open_fd(outer.get(), fd, kBlock) != ARCHIVE_OK) fail(outer.get());
  archive_entry* header = nullptr;
  bool has_data = false;
  for (;;) {
    const int result = ::archive_read_next_header(outer.get(), &header);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail(outer.get());
    const std::string name = text_or_empty(::archive_entry_pathname(header));
    const bool is_control = name.starts_with("control.tar");
    const bool is_data = name.starts_with("data.tar");
    if (!is_control && !is_data) continue;
    has_data = has_data || is_data;
    Source source{.read = [&](std::span<char> into) {
      const la_ssize_t got = ::archive_read_data(outer.get(), into.data(), into.size());
      if (got < 0) fail(outer.get());
      return static_cast<std::size_t>(got);
    }};
    const Archive inner(::archive_read_new());
    ::archive_read_support_format_tar(inner.get());
    if (name.ends_with(".xz"))
      source.read = decompressed(std::move(source.read));
    else
      support_filters(inner.get());
    open_source(inner.get(), source);
    send_entries(
        inner.get(), [&](const Entry&) { return is_control ? "control" : "data"; }, out,
        is_control ? OwnerNames::none : OwnerNames::all_but_root);
  }
  if (!has_data) throw std::runtime_error("not a Debian package: it has no data.tar member");
}

bool is_signature(const Entry& entry) {
  return entry.path.starts_with(".SIGN.");
}

void send_tar_members(int fd, ArchiveKind kind, WireWriter& out) {
  GzipMembers members(fd);
  std::string last;
  while (last != "data" && members.next()) {
    std::string member = last == "control" ? "data" : "control";
    const bool to_the_end = member == "data";
    Source source{.read = [&, to_the_end](std::span<char> into) {
      std::size_t got = members.read(into);
      while (got == 0 && to_the_end && members.next()) got = members.read(into);
      return got;
    }};
    const Archive a(::archive_read_new());
    ::archive_read_support_format_tar(a.get());
    ::archive_read_support_format_empty(a.get());
    open_source(a.get(), source);
    bool is_first = last.empty();
    const auto member_of = [&](const Entry& entry) {
      if (std::exchange(is_first, false) && is_signature(entry)) member = "signature";
      if ((member == "signature") != is_signature(entry))
        throw std::runtime_error("signatures and other files in one member");
      return member;
    };
    send_entries(a.get(), member_of, out, OwnerNames::all);
    while (source.read(source.buffer) > 0) {
      // What is behind the tar's end.
    }
    out.put(WireTag::end_member, pack_member_end(member, members.end()));
    last = member;
    if (kind == ArchiveKind::tar_members_signature ||
        (kind == ArchiveKind::tar_members_control && member == "control"))
      return;
  }
  if (last.empty()) throw std::runtime_error("it is empty");
}

void send_plain(int fd, ArchiveKind kind, WireWriter& out) {
  Source source;
  const Archive a(::archive_read_new());
  if (kind == ArchiveKind::stream) {
    ::archive_read_support_format_raw(a.get());
    ::archive_read_support_format_empty(a.get());
  } else if (kind == ArchiveKind::initramfs) {
    ::archive_read_support_format_cpio(a.get());
  } else {
    ::archive_read_support_format_tar(a.get());
    ::archive_read_support_format_zip(a.get());
  }
  if (is_xz(fd)) {
    source.read = decompressed([fd](std::span<char> into) { return read_some(fd, into); });
    open_source(a.get(), source);
  } else {
    support_filters(a.get());
    if (::archive_read_open_fd(a.get(), fd, kBlock) != ARCHIVE_OK) fail(a.get());
  }
  send_entries(
      a.get(), [](const Entry&) { return std::string(); }, out);
}

}  // namespace

void read_archive(int fd, ArchiveKind kind, int out_fd) noexcept {
  try {
    WireWriter out(out_fd);
    try {
      if (kind == ArchiveKind::deb)
        send_deb(fd, out);
      else if (kind == ArchiveKind::tar_members || kind == ArchiveKind::tar_members_control ||
               kind == ArchiveKind::tar_members_signature)
        send_tar_members(fd, kind, out);
      else
        send_plain(fd, kind, out);
      out.put(WireTag::finished, {});
    } catch (const std::exception& error) {
      out.put(WireTag::failed, std::string_view(error.what()).substr(0, 1000));
    }
    out.flush();
  } catch (...) {
    // The parent is gone or does not listen: it sees a stream without an end.
  }
}

bool confine_decoder() {
  return confine_process({.memory_resource = RLIMIT_AS, .memory = kMemoryLimit});
}

}  // namespace alephc
