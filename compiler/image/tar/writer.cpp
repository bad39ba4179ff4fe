// SPDX-License-Identifier: MIT
// POSIX pax interchange format (IEEE 1003.1-2001, "pax Interchange Format"): ustar headers, and before an
// entry that ustar cannot hold an 'x' header with a fixed name. Entries in listing order, numeric owners
// only.
#include <algorithm>
#include <array>
#include <cstring>

#include <fcntl.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "image/content_reader.hpp"
#include "image/tar/tar.hpp"

namespace alephc {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kOctalLimit = 1ULL << 33U;  // eleven octal digits
constexpr std::uint32_t kIdLimit = 1U << 21U;       // seven

class TarWriter {
 public:
  explicit TarWriter(const std::filesystem::path& path)
      : fd_(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644)) {}

  void put(std::string_view bytes) {
    buffer_ += bytes;
    written_ += bytes.size();
    constexpr std::size_t kFlushAt = 1U << 20U;
    if (buffer_.size() >= kFlushAt) flush();
  }
  void pad() {
    const std::size_t rest = written_ % kBlock;
    if (rest != 0) put(std::string(kBlock - rest, '\0'));
  }
  void finish(std::uint32_t page) {
    put(std::string(2 * kBlock, '\0'));
    const std::uint64_t rest = written_ % page;
    if (rest != 0) put(std::string(page - rest, '\0'));
    flush();
  }

 private:
  void flush() {
    write_all(fd_.get(), buffer_);
    buffer_.clear();
  }

  UniqueFd fd_;
  std::string buffer_;
  std::uint64_t written_ = 0;
};

void put_octal(char* field, std::size_t width, std::uint64_t value) {
  for (std::size_t i = width - 1; i > 0; --i) {
    field[i - 1] = static_cast<char>('0' + (value & 7U));
    value >>= 3U;
  }
}

char type_flag(const Entry& entry) {
  if (!entry.hard_link.empty()) return '1';
  switch (entry.type) {
    using enum EntryType;
    case directory:
      return '5';
    case symlink:
      return '2';
    case char_device:
      return '3';
    case block_device:
      return '4';
    case fifo:
      return '6';
    default:
      return '0';
  }
}

std::string header_block(const std::string& name, const std::string& link, char type, const Entry& entry,
                         std::uint64_t size, std::int64_t time) {
  std::array<char, kBlock> block{};
  std::memcpy(block.data(), name.data(), std::min<std::size_t>(name.size(), 100));
  put_octal(&block[100], 8, entry.mode);
  put_octal(&block[108], 8, entry.uid < kIdLimit ? entry.uid : 0);
  put_octal(&block[116], 8, entry.gid < kIdLimit ? entry.gid : 0);
  put_octal(&block[124], 12, size < kOctalLimit ? size : 0);
  put_octal(&block[136], 12, static_cast<std::uint64_t>(std::max<std::int64_t>(0, time)));
  std::memset(&block[148], ' ', 8);
  block[156] = type;
  std::memcpy(&block[157], link.data(), std::min<std::size_t>(link.size(), 100));
  std::memcpy(&block[257], "ustar\00000", 8);
  put_octal(&block[329], 8, entry.major);
  put_octal(&block[337], 8, entry.minor);
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<std::uint8_t>(c);
  put_octal(&block[148], 7, sum);
  return {block.data(), block.size()};
}

/// "LENGTH KEY=VALUE\n", where LENGTH counts its own digits.
std::string pax_record(const std::string& key, const std::string& value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + std::to_string(rest).size();
  if (std::to_string(length).size() != std::to_string(rest).size())
    length = rest + std::to_string(length).size();
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

std::string pax_records(const Entry& entry, const std::string& name, const std::string& link,
                        std::uint64_t size) {
  std::string records;
  if (name.size() > 100) records += pax_record("path", name);
  if (link.size() > 100) records += pax_record("linkpath", link);
  if (size >= kOctalLimit) records += pax_record("size", std::to_string(size));
  if (entry.uid >= kIdLimit) records += pax_record("uid", std::to_string(entry.uid));
  if (entry.gid >= kIdLimit) records += pax_record("gid", std::to_string(entry.gid));
  if (entry.hard_link.empty())
    for (const Xattr& xattr : entry.xattrs) records += pax_record("SCHILY.xattr." + xattr.name, xattr.value);
  return records;
}

}  // namespace

void write_tar(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) {
  TarWriter out(path);
  for (const Entry& entry : tree.entries()) {
    const std::int64_t time = options.keep_times ? entry.mtime : options.time;
    std::string name = entry.path.empty() ? "." : "./" + entry.path;
    if (entry.type == EntryType::directory) name += "/";
    const std::string link = entry.hard_link.empty() ? entry.link_target : "./" + entry.hard_link;
    const bool has_data = entry.type == EntryType::regular && entry.hard_link.empty();
    const std::uint64_t size = has_data ? entry.size : 0;
    const std::string records = pax_records(entry, name, link, size);
    if (!records.empty()) {
      out.put(header_block("PaxHeaders/entry", "", 'x', Entry{.mode = 0644}, records.size(), time));
      out.put(records);
      out.pad();
    }
    out.put(header_block(name, link, type_flag(entry), entry, size, time));
    if (!has_data) continue;
    read_checked(tree, entry, [&](std::string_view bytes) { out.put(bytes); });
    out.pad();
  }
  out.finish(options.page);
}

}  // namespace alephc
