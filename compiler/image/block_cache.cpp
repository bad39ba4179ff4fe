// SPDX-License-Identifier: MIT
#include "image/block_cache.hpp"

#include <cerrno>
#include <cstring>

#include <unistd.h>

#include "base/diagnostic.hpp"

namespace alephc {
namespace {

constexpr std::string_view kMagic = "alephc packed image 1\n";

void put_number(std::string& out, std::uint64_t value) {
  for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>((value >> shift) & 0xffU);
}

void put_digest(std::string& out, const Digest& digest) {
  out.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
}

void put_block(std::string& out, const PackedBlock& block) {
  put_number(out, block.word);
  put_digest(out, block.content);
  put_digest(out, block.packed);
}

/// The bytes have been checked as a whole, so that a wrong length is a mistake of ours.
class Cursor {
 public:
  explicit Cursor(std::string_view rest) : rest_(rest) {}

  std::uint64_t number() {
    const std::string_view bytes = take(8);
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i)
      value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * i);
    return value;
  }
  Digest digest() {
    Digest digest;
    const std::string_view bytes = take(digest.bytes.size());
    std::memcpy(digest.bytes.data(), bytes.data(), bytes.size());
    return digest;
  }
  PackedBlock block() {
    PackedBlock block;
    block.word = static_cast<std::uint32_t>(number());
    block.content = digest();
    block.packed = digest();
    return block;
  }

 private:
  std::string_view take(std::size_t size) {
    check(rest_.size() >= size, "a packed image is as long as it says");
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
};

/// False at the end of the file.
bool read_at(int fd, std::uint64_t offset, std::string& out) {
  std::size_t have = 0;
  while (have < out.size()) {
    const ssize_t got = ::pread(fd, out.data() + have, out.size() - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

std::string packed_image_bytes(const std::string& settings, const PackedImage& image) {
  std::string out(kMagic);
  put_number(out, settings.size());
  out += settings;
  put_number(out, image.runs.size());
  for (const PackedRun& run : image.runs) {
    put_digest(out, run.content);
    put_digest(out, run.tail);
    put_number(out, run.offset);
    put_number(out, run.blocks.size());
    for (const PackedBlock& block : run.blocks) put_block(out, block);
  }
  put_number(out, image.fragments.size());
  for (const PackedFragment& fragment : image.fragments) {
    put_digest(out, fragment.members);
    put_number(out, fragment.offset);
    put_block(out, fragment.block);
  }
  put_digest(out, sha256(out));
  return out;
}

std::optional<PackedImage> parse_packed_image(const std::string& settings, std::string_view bytes) {
  const std::size_t seal = Digest{}.bytes.size();
  if (bytes.size() < kMagic.size() + seal || !bytes.starts_with(kMagic)) return std::nullopt;
  const std::string_view sealed = bytes.substr(0, bytes.size() - seal);
  if (Cursor(bytes.substr(sealed.size())).digest() != sha256(sealed)) return std::nullopt;
  const std::size_t settings_at = kMagic.size() + 8;
  if (Cursor(sealed.substr(kMagic.size())).number() != settings.size() ||
      sealed.substr(settings_at, settings.size()) != settings)
    return std::nullopt;
  Cursor cursor(sealed.substr(settings_at + settings.size()));
  PackedImage image;
  image.runs.resize(cursor.number());
  for (PackedRun& run : image.runs) {
    run.content = cursor.digest();
    run.tail = cursor.digest();
    run.offset = cursor.number();
    run.blocks.resize(cursor.number());
    for (PackedBlock& block : run.blocks) block = cursor.block();
  }
  image.fragments.resize(cursor.number());
  for (PackedFragment& fragment : image.fragments) {
    fragment.members = cursor.digest();
    fragment.offset = cursor.number();
    fragment.block = cursor.block();
  }
  return image;
}

bool has_packed_bytes(int image, std::uint64_t offset, const PackedBlock& block) {
  thread_local std::string bytes;
  bytes.resize(packed_size(block.word));
  return read_at(image, offset, bytes) && sha256(bytes) == block.packed;
}

std::size_t BlockCache::HashDigest::operator()(const Digest& digest) const {
  std::size_t value = 0;
  std::memcpy(&value, digest.bytes.data(), sizeof value);
  return value;
}

void BlockCache::load() const {
  std::call_once(loaded_, [this] {
    sources_ = load_(settings_);
    for (const Source& source : sources_) {
      const int image = source.image.get();
      for (const PackedRun& run : source.packed.runs) {
        runs_.try_emplace(run.content, Found<PackedRun>{&run, image});
        std::uint64_t offset = run.offset;
        for (const PackedBlock& block : run.blocks) {
          if (block.word != 0) blocks_.try_emplace(block.content, BlockPlace{&block, offset, image});
          offset += packed_size(block.word);
        }
      }
      for (const PackedFragment& fragment : source.packed.fragments) {
        fragments_.try_emplace(fragment.members, Found<PackedFragment>{&fragment, image});
        blocks_.try_emplace(fragment.block.content, BlockPlace{&fragment.block, fragment.offset, image});
      }
    }
  });
}

std::optional<BlockCache::Found<PackedRun>> BlockCache::find_run(const Digest& content) const {
  load();
  const auto it = runs_.find(content);
  if (it == runs_.end()) return std::nullopt;
  return it->second;
}

std::optional<BlockCache::Found<PackedFragment>> BlockCache::find_fragment(const Digest& members) const {
  load();
  const auto it = fragments_.find(members);
  if (it == fragments_.end()) return std::nullopt;
  return it->second;
}

bool BlockCache::has_block(const Digest& content) const {
  load();
  return blocks_.contains(content);
}

std::optional<std::string> BlockCache::read_block(const Digest& content, std::uint32_t& word) const {
  load();
  const auto it = blocks_.find(content);
  if (it == blocks_.end()) return std::nullopt;
  std::string bytes(packed_size(it->second.block->word), '\0');
  if (!read_at(it->second.image, it->second.offset, bytes) || sha256(bytes) != it->second.block->packed)
    return std::nullopt;
  word = it->second.block->word;
  return bytes;
}

}  // namespace alephc
