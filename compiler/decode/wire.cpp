// SPDX-License-Identifier: MIT
#include "decode/wire.hpp"

#include <cstring>

#include <poll.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/fd.hpp"
#include "base/little_endian.hpp"

namespace alephc {
namespace {

constexpr std::size_t kHead = 5;
constexpr std::size_t kFlushAt = 256 * 1024;

void put_text(std::string& out, std::string_view text) {
  put_little(out, text.size());
  out += text;
}

[[noreturn]] void bad_message() {
  throw Error(ErrorKind::integrity, "the decoder sent a broken message");
}

class Cursor {
 public:
  explicit Cursor(std::string_view rest) : rest_(rest) {}

  std::uint64_t number() {
    if (rest_.size() < 8) bad_message();
    const std::uint64_t value = read_little(rest_.substr(0, 8));
    rest_.remove_prefix(8);
    return value;
  }
  std::string text() {
    const std::uint64_t size = number();
    if (size > rest_.size()) bad_message();
    std::string out(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return out;
  }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace

void put_message(std::string& out, WireTag tag, std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  out += static_cast<char>(tag);
  put_little(out, size, sizeof size);
  out += payload;
}

bool next_message(std::string_view& rest, WireTag& tag, std::string_view& payload) {
  if (rest.size() < kHead) return false;
  const std::uint64_t size = read_little(rest.substr(1, sizeof(std::uint32_t)));
  if (rest.size() - kHead < size) return false;
  tag = static_cast<WireTag>(rest[0]);
  payload = rest.substr(kHead, size);
  rest.remove_prefix(kHead + size);
  return true;
}

void WireWriter::put(WireTag tag, std::string_view payload) {
  put_message(buffer_, tag, payload);
  if (buffer_.size() >= kFlushAt) flush();
}

void WireWriter::flush() {
  write_all(fd_, buffer_);
  buffer_.clear();
}

bool WireReader::fill(std::size_t wanted) {
  if (end_ - begin_ >= wanted) return true;
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ < wanted) {
    throw_if_interrupted();
    // The decoder may be busy for long without a word.
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, 100) <= 0) continue;
    const std::size_t got = read_some(fd_, {buffer_.get() + end_, kRoom - end_});
    if (got == 0) return false;
    end_ += got;
  }
  return true;
}

bool WireReader::get(WireTag& tag, std::string_view& payload) {
  if (!fill(kHead)) return false;
  const auto size =
      static_cast<std::uint32_t>(read_little({buffer_.get() + begin_ + 1, sizeof(std::uint32_t)}));
  if (size > kWireLimit) bad_message();
  if (!fill(kHead + size)) return false;
  tag = static_cast<WireTag>(buffer_[begin_]);
  payload = {buffer_.get() + begin_ + kHead, size};
  begin_ += kHead + size;
  return true;
}

std::string pack_entry(const std::string& member, const Entry& entry) {
  std::string out;
  put_text(out, member);
  put_text(out, entry.path);
  out += static_cast<char>(entry.type);
  for (const std::uint64_t value : {std::uint64_t{entry.mode}, std::uint64_t{entry.uid},
                                    std::uint64_t{entry.gid}, static_cast<std::uint64_t>(entry.mtime),
                                    entry.size, std::uint64_t{entry.major}, std::uint64_t{entry.minor}})
    put_little(out, value);
  put_text(out, entry.link_target);
  put_text(out, entry.hard_link);
  put_little(out, entry.xattrs.size());
  for (const Xattr& xattr : entry.xattrs) {
    put_text(out, xattr.name);
    put_text(out, xattr.value);
  }
  return out;
}

void unpack_entry(std::string_view payload, std::string& member, Entry& entry) {
  Cursor cursor(payload);
  member = cursor.text();
  entry = Entry{.path = cursor.text()};
  // The type is one byte between two strings of known length.
  const std::size_t at = 16 + member.size() + entry.path.size();
  if (payload.size() <= at) bad_message();
  entry.type = static_cast<EntryType>(payload[at]);
  Cursor rest(payload.substr(at + 1));
  entry.mode = static_cast<std::uint32_t>(rest.number()) & 07777U;
  entry.uid = static_cast<std::uint32_t>(rest.number());
  entry.gid = static_cast<std::uint32_t>(rest.number());
  entry.mtime = static_cast<std::int64_t>(rest.number());
  entry.size = rest.number();
  entry.major = static_cast<std::uint32_t>(rest.number());
  entry.minor = static_cast<std::uint32_t>(rest.number());
  entry.link_target = rest.text();
  entry.hard_link = rest.text();
  const std::uint64_t count = rest.number();
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string name = rest.text();
    entry.xattrs.push_back({std::move(name), rest.text()});
  }
  if (!rest.empty()) bad_message();
}

std::string pack_names(const std::string& user, const std::string& group) {
  std::string out;
  put_text(out, user);
  put_text(out, group);
  return out;
}

void unpack_names(std::string_view payload, std::string& user, std::string& group) {
  Cursor cursor(payload);
  user = cursor.text();
  group = cursor.text();
  if (!cursor.empty()) bad_message();
}

std::string pack_member_end(const std::string& member, std::uint64_t end) {
  std::string out;
  put_text(out, member);
  put_little(out, end);
  return out;
}

void unpack_member_end(std::string_view payload, std::string& member, std::uint64_t& end) {
  Cursor cursor(payload);
  member = cursor.text();
  end = cursor.number();
  if (!cursor.empty()) bad_message();
}

}  // namespace alephc
