// SPDX-License-Identifier: MIT
// UnixFS over dag-pb, as specified by the IPFS project: a file is cut into 256 KiB chunks, the chunks become
// leaves of a tree with at most 174 links a node, and every level is grouped until one node remains. Only
// (digest, file size, encoded size) of a node is needed to make its parent, so nothing but the current chunks
// is held in memory.
#include "base/cid.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/parallel.hpp"
#include "base/sha256_lanes.hpp"

namespace alephc {

struct DagNode {
  Digest digest{};
  std::uint64_t file_size = 0;  ///< bytes of the file below this node
  std::uint64_t tree_size = 0;  ///< encoded bytes of this block and all below it
  bool raw = false;
};

namespace {

constexpr std::size_t kChunk = kHashedChunk;
constexpr std::size_t kLinks = 174;
constexpr std::uint8_t kRaw = 0x55;
constexpr std::uint8_t kDagPb = 0x70;

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7fU) | 0x80U);
    value >>= 7U;
  }
  out += static_cast<char>(value);
}

void put_bytes(std::string& out, char key, std::string_view bytes) {
  out += key;
  put_varint(out, bytes.size());
  out += bytes;
}

std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

/// What stands before and behind the bytes in a leaf of dag-pb.
struct LeafFrame {
  explicit LeafFrame(std::size_t size) {
    std::string before = "\x08\x02";
    if (size > 0) {
      before += '\x12';
      put_varint(before, size);
    }
    put_varint(after, size);
    put_varint(head, before.size() + size + after.size());
    head += before;
  }

  std::string head = "\x0a";
  std::string after = "\x18";
};

DagNode dag_node(const Digest& digest, std::size_t size, const LeafFrame& frame) {
  return {digest, size, frame.head.size() + size + frame.after.size(), false};
}

DagNode dag_leaf(std::string_view chunk) {
  const LeafFrame frame(chunk.size());
  Sha256 hash;
  hash.update(frame.head);
  hash.update(chunk);
  hash.update(frame.after);
  return dag_node(hash.finish(), chunk.size(), frame);
}

DagNode raw_leaf(std::string_view chunk) {
  return {sha256(chunk), chunk.size(), chunk.size(), true};
}

DagNode parent_of(const DagNode* nodes, std::size_t count, bool v1) {
  std::string block;
  std::string data = "\x08\x02";
  DagNode parent;
  for (std::size_t i = 0; i < count; ++i) parent.file_size += nodes[i].file_size;
  data += '\x18';
  put_varint(data, parent.file_size);
  for (std::size_t i = 0; i < count; ++i) {
    const DagNode& node = nodes[i];
    std::string name;
    if (v1) {
      name += '\x01';
      name += static_cast<char>(node.raw ? kRaw : kDagPb);
    }
    name += "\x12\x20";
    name += bytes_of(node.digest);
    std::string link;
    put_bytes(link, '\x0a', name);
    put_bytes(link, '\x12', "");
    link += '\x18';
    put_varint(link, node.tree_size);
    put_bytes(block, '\x12', link);
    data += '\x20';
    put_varint(data, node.file_size);
    parent.tree_size += node.tree_size;
  }
  put_bytes(block, '\x0a', data);
  parent.digest = sha256(block);
  parent.tree_size += block.size();
  return parent;
}

/// A trailing group is wrapped even when it has one member: all leaves have equal depth.
DagNode root_of(std::vector<DagNode> level, bool v1) {
  while (level.size() > 1) {
    std::vector<DagNode> above;
    for (std::size_t i = 0; i < level.size(); i += kLinks)
      above.push_back(parent_of(&level[i], std::min(kLinks, level.size() - i), v1));
    level = std::move(above);
  }
  return level.front();
}

constexpr std::string_view kBase58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";

std::string base32(std::string_view bytes) {
  std::string out;
  unsigned bits = 0;
  unsigned held = 0;
  for (const char c : bytes) {
    held = (held << 8U) | static_cast<std::uint8_t>(c);
    for (bits += 8; bits >= 5; bits -= 5) out += kBase32[(held >> (bits - 5)) & 31U];
  }
  if (bits > 0) out += kBase32[(held << (5 - bits)) & 31U];
  return out;
}

std::string decode_base32(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const std::size_t value = kBase32.find(c);
    if (value == std::string_view::npos) return {};
    held = ((held << 5U) | static_cast<unsigned>(value)) & 0xffffU;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((held >> bits) & 0xffU);
    }
  }
  return out;
}

Error shrank() {
  return {ErrorKind::failed, "the file shrank while it was hashed"};
}

void read_chunk(int fd, std::uint64_t offset, std::span<char> into) {
  const ssize_t got = read_at(fd, offset, into);
  if (got < 0) throw system_error("read the file", errno);
  if (static_cast<std::size_t>(got) < into.size()) throw shrank();
}

FileHashes named(std::uint64_t size, const Digest& whole, std::vector<DagNode> v0, std::vector<DagNode> v1) {
  std::vector<Digest> chunks;
  for (const DagNode& leaf : v1) chunks.push_back(leaf.digest);
  const DagNode root_v0 = root_of(std::move(v0), false);
  const DagNode root_v1 = root_of(std::move(v1), true);
  const char codec = static_cast<char>(root_v1.raw ? kRaw : kDagPb);
  return {.size = size,
          .sha256 = whole,
          .cid_v0 = encode_base58(std::string("\x12\x20") + std::string(bytes_of(root_v0.digest))),
          .cid_v1 =
              "b" + base32(std::string("\x01") + codec + "\x12\x20" + std::string(bytes_of(root_v1.digest))),
          .chunks = std::move(chunks)};
}

}  // namespace

struct FileHasher::State {
  State(std::filesystem::path file, unsigned most) : path(std::move(file)), jobs(most) {}
  ~State() {
    {
      const std::lock_guard guard(mutex);
      next = v0.size();  // no leaf is wanted any more
    }
    close();
  }

  void open() {
    if (!fd) fd = open_file(path, O_RDONLY);
  }

  /// Leaves below count may be hashed; the file has size bytes so far.
  void allow(std::size_t count, std::uint64_t size) {
    {
      const std::lock_guard guard(mutex);
      end = size;
      v0.resize(count);
      v1.resize(count);
    }
    more.notify_all();
    // The caller is one of the jobs.
    while (threads.size() + 1 < jobs && threads.size() + 1 < count)
      threads.emplace_back([this] {
        // Writing the file comes first; what is left is hashed beside the whole, which takes one core.
        lower_priority(Priority::idle);
        work();
      });
  }

  /// Nothing more will come: hashes what is left.
  void close() {
    {
      const std::lock_guard guard(mutex);
      closing = true;
    }
    more.notify_all();
    work();
    threads.clear();
  }

  /// Until nothing is left to do and nothing will come.
  void work() {
    std::vector<char> buffer;
    for (;;) {
      std::size_t number = 0;
      std::size_t count = 1;
      std::size_t size = 0;
      {
        std::unique_lock guard(mutex);
        more.wait(guard, [this] { return next < v0.size() || closing || failure; });
        if (next >= v0.size() || failure) return;
        number = next;
        const bool whole_group = end >= (number + kShaLanes) * kChunk && number + kShaLanes <= v0.size();
        if (whole_group && has_sha256_lanes()) count = kShaLanes;
        size = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, end - number * kChunk));
        next += count;
      }
      try {
        if (count > 1)
          hash_group(number, buffer);
        else
          hash_leaf(number, size, buffer);
      } catch (...) {
        const std::lock_guard guard(mutex);
        failure = std::current_exception();
      }
    }
  }

  void hash_leaf(std::size_t number, std::size_t size, std::vector<char>& buffer) {
    buffer.resize(std::max<std::size_t>(buffer.size(), kChunk));
    const auto chunk = std::span(buffer).first(size);
    read_chunk(fd.get(), number * kChunk, chunk);
    const std::string_view bytes(chunk.data(), chunk.size());
    const DagNode dag = dag_leaf(bytes);
    const DagNode raw = raw_leaf(bytes);
    const std::lock_guard guard(mutex);
    v0[number] = dag;
    v1[number] = raw;
  }

  /// kShaLanes whole chunks. Each lies in the buffer with
  /// its frame around it, so that both leaves are one piece.
  void hash_group(std::size_t number, std::vector<char>& buffer) {
    constexpr std::size_t kRoom = 64;
    static const LeafFrame kFrame(kChunk);
    buffer.resize(kShaLanes * (kChunk + 2 * kRoom));
    std::array<std::string_view, kShaLanes> raw;
    std::array<std::string_view, kShaLanes> dag;
    for (std::size_t i = 0; i < kShaLanes; ++i) {
      char* chunk = buffer.data() + i * (kChunk + 2 * kRoom) + kRoom;
      read_chunk(fd.get(), (number + i) * kChunk, {chunk, kChunk});
      std::copy(kFrame.head.begin(), kFrame.head.end(), chunk - kFrame.head.size());
      std::copy(kFrame.after.begin(), kFrame.after.end(), chunk + kChunk);
      raw[i] = {chunk, kChunk};
      dag[i] = {chunk - kFrame.head.size(), kFrame.head.size() + kChunk + kFrame.after.size()};
    }
    std::array<Digest, kShaLanes> raw_digests;
    std::array<Digest, kShaLanes> dag_digests;
    sha256_side_by_side(raw, raw_digests);
    sha256_side_by_side(dag, dag_digests);
    const std::lock_guard guard(mutex);
    for (std::size_t i = 0; i < kShaLanes; ++i) {
      v0[number + i] = dag_node(dag_digests[i], kChunk, kFrame);
      v1[number + i] = {raw_digests[i], kChunk, kChunk, true};
    }
  }

  /// Follows what is settled until the file is complete.
  void hash_whole() {
    constexpr std::uint64_t kPiece = 1U << 20U;
    std::vector<char> buffer;
    Sha256 hash;
    for (std::uint64_t at = 0;;) {
      std::uint64_t settled = 0;
      {
        std::unique_lock guard(mutex);
        more.wait(guard, [&] { return end > at || complete || closing; });
        if (end == at || (closing && !complete)) break;
        settled = end;
      }
      while (at < settled) {
        const std::size_t size = std::min(kPiece, settled - at);
        buffer.resize(std::max(buffer.size(), size));
        const auto piece = std::span(buffer).first(size);
        read_chunk(fd.get(), at, piece);
        hash.update({piece.data(), piece.size()});
        at += piece.size();
      }
    }
    whole = hash.finish();
  }

  /// On a thread of its own.
  void start_whole() {
    whole_thread = std::jthread([this] {
      try {
        hash_whole();
      } catch (...) {
        const std::lock_guard guard(mutex);
        failure = std::current_exception();
      }
    });
  }

  void set_complete() {
    {
      const std::lock_guard guard(mutex);
      complete = true;
    }
    more.notify_all();
  }

  std::filesystem::path path;
  unsigned jobs;
  UniqueFd fd{};
  std::mutex mutex{};
  std::condition_variable more{};
  std::uint64_t end = 0;
  std::size_t next = 1;  ///< leaf; the first one is hashed at the end
  bool complete = false;
  bool closing = false;
  std::exception_ptr failure{};
  std::vector<DagNode> v0{1};
  std::vector<DagNode> v1{1};
  Digest whole{};
  std::vector<std::jthread> threads{};
  std::jthread whole_thread{};
};

FileHasher::FileHasher(std::filesystem::path path, unsigned jobs)
    : state_(std::make_unique<State>(std::move(path), jobs)) {}

FileHasher::~FileHasher() = default;

void FileHasher::settle(std::uint64_t size) {
  if (size < 2 * kChunk) return;
  state_->open();
  state_->allow(size / kChunk, size);
}

void FileHasher::settle_start() {
  if (state_->jobs > 1) state_->start_whole();
}

FileHashes FileHasher::finish() {
  State& state = *state_;
  state.open();
  struct stat info {};
  if (::fstat(state.fd.get(), &info) != 0) throw system_error("look at " + state.path.string(), errno);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorKind::usage, state.path.string() + " is not a regular file");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size < state.end) throw shrank();
  state.allow(std::max<std::size_t>(1, (size + kChunk - 1) / kChunk), size);
  std::vector<char> first;
  state.hash_leaf(0, std::min<std::uint64_t>(kChunk, size), first);
  state.set_complete();
  if (!state.whole_thread.joinable()) state.hash_whole();
  state.close();
  if (state.whole_thread.joinable()) state.whole_thread.join();
  if (state.failure) std::rethrow_exception(state.failure);
  return named(size, state.whole, std::move(state.v0), std::move(state.v1));
}

bool has_chunks(int fd, std::size_t first, std::span<const Digest> digests, std::vector<char>& room) {
  room.resize(digests.size() * kChunk);
  const ssize_t got = read_at(fd, first * kChunk, room);
  if (got < 0) return false;
  const std::string_view all(room.data(), static_cast<std::size_t>(got));
  if (digests.size() == kShaLanes && all.size() == room.size() && has_sha256_lanes()) {
    std::array<std::string_view, kShaLanes> messages;
    std::array<Digest, kShaLanes> found;
    for (std::size_t i = 0; i < kShaLanes; ++i) messages[i] = all.substr(i * kChunk, kChunk);
    sha256_side_by_side(messages, found);
    return std::equal(found.begin(), found.end(), digests.begin());
  }
  for (std::size_t i = 0; i < digests.size(); ++i) {
    if (i * kChunk >= all.size() || sha256(all.substr(i * kChunk, kChunk)) != digests[i]) return false;
  }
  return true;
}

FileHashes hash_file(const std::filesystem::path& path, unsigned jobs) {
  return FileHasher(path, jobs).finish();
}

std::string encode_base58(std::string_view bytes) {
  std::vector<std::uint8_t> digits;
  for (const char c : bytes) {
    unsigned carry = static_cast<std::uint8_t>(c);
    for (std::uint8_t& digit : digits) {
      carry += static_cast<unsigned>(digit) << 8U;
      digit = static_cast<std::uint8_t>(carry % 58);
      carry /= 58;
    }
    for (; carry > 0; carry /= 58) digits.push_back(static_cast<std::uint8_t>(carry % 58));
  }
  const std::size_t zeros = std::min(bytes.find_first_not_of('\0'), bytes.size());
  std::string out(zeros, kBase58.front());
  for (auto it = digits.rbegin(); it != digits.rend(); ++it) out += kBase58[*it];
  return out;
}

std::string decode_base58(std::string_view text) {
  std::vector<std::uint8_t> bytes;  // least significant first
  for (const char c : text) {
    const std::size_t value = kBase58.find(c);
    if (value == std::string_view::npos) return {};
    unsigned carry = static_cast<unsigned>(value);
    for (std::uint8_t& byte : bytes) {
      carry += static_cast<unsigned>(byte) * 58U;
      byte = static_cast<std::uint8_t>(carry & 0xffU);
      carry >>= 8U;
    }
    for (; carry > 0; carry >>= 8U) bytes.push_back(static_cast<std::uint8_t>(carry & 0xffU));
  }
  const std::size_t zeros = std::min(text.find_first_not_of('1'), text.size());
  bytes.insert(bytes.end(), zeros, 0);
  return {bytes.rbegin(), bytes.rend()};
}

std::string cid_digest_hex(const std::string& cid) {
  std::string bytes;
  if (cid.starts_with("Qm") && cid.size() == 46) bytes = decode_base58(cid);
  if (cid.starts_with("bafy") && cid.size() == 59) {
    bytes = decode_base32(std::string_view(cid).substr(1));
    if (!bytes.starts_with("\x01\x70")) return {};
    bytes.erase(0, 2);
  }
  if (bytes.size() != 34 || !bytes.starts_with("\x12\x20")) return {};
  bytes.erase(0, 2);
  return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace alephc
