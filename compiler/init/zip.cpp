// SPDX-License-Identifier: MIT
#include "init/zip.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "init/configuration.hpp"
#include "init/errors.hpp"
#include "init/handle.hpp"

namespace aleph_init {
namespace {

constexpr std::uint32_t kEndMagic = 0x06054b50;
constexpr std::uint32_t kMemberMagic = 0x02014b50;
constexpr std::uint32_t kLocalMagic = 0x04034b50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kMemberSize = 46;
constexpr std::size_t kLocalSize = 30;
constexpr std::size_t kMaxComment = 65535;

[[noreturn]] void damaged() {
  throw SetupError("the zip archive is damaged");
}

std::uint32_t number(std::string_view bytes, std::size_t at, unsigned width) {
  if (at + width > bytes.size()) damaged();
  std::uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i)
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

std::string_view piece(std::string_view bytes, std::size_t at, std::size_t size) {
  if (at > bytes.size() || size > bytes.size() - at) damaged();
  return bytes.substr(at, size);
}

std::size_t find_end(std::string_view archive) {
  if (archive.size() < kEndSize) damaged();
  const std::size_t last = archive.size() - kEndSize;
  const std::size_t first = last > kMaxComment ? last - kMaxComment : 0;
  for (std::size_t at = last + 1; at-- > first;)
    if (number(archive, at, 4) == kEndMagic) return at;
  damaged();
}

struct Member {
  std::string name{};
  std::uint32_t method = 0;
  std::uint32_t size = 0;
  std::uint32_t mode = 0;  ///< 0: not made on UNIX
  std::uint32_t crc = 0;
  std::string_view packed{};
};

std::vector<Member> members_of(std::string_view archive) {
  const std::size_t end = find_end(archive);
  const std::uint32_t count = number(archive, end + 10, 2);
  std::size_t at = number(archive, end + 16, 4);
  std::vector<Member> members;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (number(archive, at, 4) != kMemberMagic) damaged();
    const std::uint32_t name_size = number(archive, at + 28, 2);
    Member member{.name = std::string(piece(archive, at + kMemberSize, name_size)),
                  .method = number(archive, at + 10, 2),
                  .size = number(archive, at + 24, 4),
                  .crc = number(archive, at + 16, 4)};
    constexpr std::uint32_t kUnix = 3;
    if (number(archive, at + 4, 2) >> 8U == kUnix) member.mode = number(archive, at + 38, 4) >> 16U;
    if ((number(archive, at + 8, 2) & 1U) != 0) throw SetupError("the zip archive is encrypted");
    const std::size_t local = number(archive, at + 42, 4);
    if (number(archive, local, 4) != kLocalMagic) damaged();
    const std::size_t data =
        local + kLocalSize + number(archive, local + 26, 2) + number(archive, local + 28, 2);
    member.packed = piece(archive, data, number(archive, at + 20, 4));
    at += kMemberSize + name_size + number(archive, at + 30, 2) + number(archive, at + 32, 2);
    members.push_back(std::move(member));
  }
  return members;
}

/// Calls take with pieces of the content; the announced size is a promise that is held.
template <typename Take>
void inflate_member(const Member& member, Take&& take) {
  std::uint32_t crc = 0;
  std::uint64_t total = 0;
  const auto give = [&](std::string_view bytes) {
    crc = static_cast<std::uint32_t>(
        ::crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
    total += bytes.size();
    if (total > member.size) damaged();
    take(bytes);
  };
  if (member.method == 0) {
    give(member.packed);
  } else if (member.method == Z_DEFLATED) {
    z_stream stream{};
    if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw SetupError("out of memory");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(member.packed.data()));
    stream.avail_in = static_cast<uInt>(member.packed.size());
    std::array<char, 32768> buffer{};
    int result = Z_OK;
    try {
      while (result == Z_OK) {
        stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
        stream.avail_out = static_cast<uInt>(buffer.size());
        result = ::inflate(&stream, Z_NO_FLUSH);
        give({buffer.data(), buffer.size() - stream.avail_out});
      }
    } catch (...) {
      ::inflateEnd(&stream);
      throw;
    }
    ::inflateEnd(&stream);
    if (result != Z_STREAM_END) damaged();
  } else {
    throw SetupError("the zip member " + member.name + " uses an unsupported compression method");
  }
  if (total != member.size || crc != member.crc) damaged();
}

/// Opens (and makes) the folder of a member without following symlinks.
Handle open_parent(int root, const std::string& name) {
  Handle at(::fcntl(root, F_DUPFD_CLOEXEC, 0));
  std::size_t begin = 0;
  for (std::size_t end = name.find('/'); end != std::string::npos; end = name.find('/', begin)) {
    const std::string part = name.substr(begin, end - begin);
    if (::mkdirat(at.get(), part.c_str(), 0755) != 0 && errno != EEXIST)
      throw os_error("unzip " + name, errno);
    Handle next(::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) throw os_error("unzip " + name, errno);
    at = std::move(next);
    begin = end + 1;
  }
  return at;
}

void unpack(int root, Member member) {
  const bool is_folder = member.name.ends_with('/');
  while (member.name.ends_with('/')) member.name.pop_back();
  if (!is_safe_entrypoint(member.name))
    throw SetupError("the zip member '" + member.name + "' leaves the folder");
  const Handle parent = open_parent(root, member.name);
  const std::string name = member.name.substr(member.name.find_last_of('/') + 1);
  if (is_folder) {
    if (::mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST)
      throw os_error("unzip " + member.name, errno);
    return;
  }
  ::unlinkat(parent.get(), name.c_str(), 0);
  if (S_ISLNK(member.mode)) {
    std::string target;
    inflate_member(member, [&](std::string_view bytes) { target += bytes; });
    if (::symlinkat(target.c_str(), parent.get(), name.c_str()) != 0)
      throw os_error("unzip " + member.name, errno);
    return;
  }
  const Handle file(
      ::openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) throw os_error("unzip " + member.name, errno);
  inflate_member(member, [&](std::string_view bytes) { write_all(file.get(), bytes); });
  const mode_t mode = member.mode & 0777U;
  if (::fchmod(file.get(), mode == 0 ? 0644 : mode) != 0) throw os_error("unzip " + member.name, errno);
}

}  // namespace

void unzip(std::string_view archive, const std::string& folder) {
  std::vector<Member> members = members_of(archive);
  make_folders(folder);
  const Handle root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) throw os_error("open " + folder, errno);
  std::stable_partition(members.begin(), members.end(), [](const Member& m) { return !S_ISLNK(m.mode); });
  for (Member& member : members) unpack(root.get(), std::move(member));
}

}  // namespace aleph_init
