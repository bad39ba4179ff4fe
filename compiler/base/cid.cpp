// SPDX-License-Identifier: MIT
// UnixFS over dag-pb, as specified by the IPFS project: a file is cut into 256 KiB chunks, the chunks become
// leaves of a tree with at most 174 links a node, and every level is grouped until one node remains. Only
// (digest, file size, encoded size) of a node is needed to make its parent, so nothing but the current chunks
// is held in memory.
#include "base/cid.hpp"

#include <algorithm>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/parallel.hpp"

namespace alephc {
namespace {

constexpr std::size_t kChunk = 256 * 1024;
constexpr std::size_t kLinks = 174;
constexpr std::uint8_t kRaw = 0x55;
constexpr std::uint8_t kDagPb = 0x70;

struct Node {
  Digest digest{};
  std::uint64_t file_size = 0;  ///< bytes of the file below this node
  std::uint64_t tree_size = 0;  ///< encoded bytes of this block and all below it
  bool raw = false;
};

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

Node dag_leaf(std::string_view chunk) {
  std::string before = "\x08\x02";
  if (!chunk.empty()) {
    before += '\x12';
    put_varint(before, chunk.size());
  }
  std::string after = "\x18";
  put_varint(after, chunk.size());
  std::string head = "\x0a";
  put_varint(head, before.size() + chunk.size() + after.size());
  head += before;
  Sha256 hash;
  hash.update(head);
  hash.update(chunk);
  hash.update(after);
  return {hash.finish(), chunk.size(), head.size() + chunk.size() + after.size(), false};
}

Node raw_leaf(std::string_view chunk) {
  return {sha256(chunk), chunk.size(), chunk.size(), true};
}

Node parent_of(const Node* nodes, std::size_t count, bool v1) {
  std::string block;
  std::string data = "\x08\x02";
  Node parent;
  for (std::size_t i = 0; i < count; ++i) parent.file_size += nodes[i].file_size;
  data += '\x18';
  put_varint(data, parent.file_size);
  for (std::size_t i = 0; i < count; ++i) {
    const Node& node = nodes[i];
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
Node root_of(std::vector<Node> level, bool v1) {
  while (level.size() > 1) {
    std::vector<Node> above;
    for (std::size_t i = 0; i < level.size(); i += kLinks)
      above.push_back(parent_of(&level[i], std::min(kLinks, level.size() - i), v1));
    level = std::move(above);
  }
  return level.front();
}

constexpr std::string_view kBase58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";

std::string base58(std::string_view bytes) {
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
  std::string out;
  for (auto it = digits.rbegin(); it != digits.rend(); ++it) out += kBase58[*it];
  return out;
}

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

void read_chunk(int fd, std::uint64_t offset, std::span<char> into) {
  const ssize_t got = read_at(fd, offset, into);
  if (got < 0) throw system_error("read the file", errno);
  if (static_cast<std::size_t>(got) < into.size())
    throw Error(ErrorKind::failed, "the file shrank while it was hashed");
}

}  // namespace

FileHashes hash_file(const std::filesystem::path& path, unsigned jobs) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw system_error("look at " + path.string(), errno);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorKind::usage, path.string() + " is not a regular file");
  FileHashes hashes;
  hashes.size = static_cast<std::uint64_t>(info.st_size);
  const std::size_t chunks = std::max<std::size_t>(1, (hashes.size + kChunk - 1) / kChunk);
  std::vector<Node> v0(chunks);
  std::vector<Node> v1(chunks);
  // The batch is read once and then hashed three ways: task 0 is the whole-file hash, the others are leaves.
  constexpr std::size_t kBatch = 64;
  std::vector<char> buffer(std::min(chunks, kBatch) * kChunk);
  Sha256 whole;
  for (std::size_t first = 0; first < chunks; first += kBatch) {
    const std::size_t count = std::min(kBatch, chunks - first);
    const std::size_t length = std::min<std::uint64_t>(count * kChunk, hashes.size - first * kChunk);
    read_chunk(fd.get(), first * kChunk, std::span(buffer).first(length));
    parallel_for(count + 1, jobs, [&](std::size_t task) {
      if (task == 0) return whole.update({buffer.data(), length});
      const std::size_t begin = std::min(length, (task - 1) * kChunk);
      const std::string_view chunk(buffer.data() + begin, std::min(kChunk, length - begin));
      v0[first + task - 1] = dag_leaf(chunk);
      v1[first + task - 1] = raw_leaf(chunk);
    });
  }
  hashes.sha256 = whole.finish();
  const Node root_v0 = root_of(std::move(v0), false);
  const Node root_v1 = root_of(std::move(v1), true);
  hashes.cid_v0 = base58(std::string("\x12\x20") + std::string(bytes_of(root_v0.digest)));
  const char codec = static_cast<char>(root_v1.raw ? kRaw : kDagPb);
  hashes.cid_v1 =
      "b" + base32(std::string("\x01") + codec + "\x12\x20" + std::string(bytes_of(root_v1.digest)));
  return hashes;
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
