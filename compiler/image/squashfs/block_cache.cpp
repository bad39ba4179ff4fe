// SPDX-License-Identifier: MIT
#include "image/squashfs/block_cache.hpp"

#include <algorithm>
#include <cstring>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/little_endian.hpp"
#include "base/parallel.hpp"
#include "base/sha256_lanes.hpp"

namespace alephc {
namespace {

constexpr std::string_view kMagic = "alephc packed image 4\n";

void put_digest(std::string& out, const Digest& digest) {
  out.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
}

void put_block(std::string& out, const PackedBlock& block) {
  put_little(out, block.word);
  put_digest(out, block.name);
  put_digest(out, block.packed);
}

/// The bytes have been checked as a whole, so that a wrong length is a mistake of ours.
class Cursor {
 public:
  explicit Cursor(std::string_view rest) : rest_(rest) {}

  std::uint64_t number() { return read_little(take(8)); }
  Digest digest() {
    Digest digest;
    const std::string_view bytes = take(digest.bytes.size());
    std::memcpy(digest.bytes.data(), bytes.data(), bytes.size());
    return digest;
  }
  PackedBlock block() {
    PackedBlock block;
    block.word = static_cast<std::uint32_t>(number());
    block.name = digest();
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

}  // namespace

Digest block_name(std::string_view raw) {
  constexpr std::size_t kBeginning = 4096;
  return sha256(raw.substr(0, kBeginning));
}

std::string packed_image_bytes(const std::string& settings, const PackedImage& image) {
  std::string out(kMagic);
  put_little(out, settings.size());
  out += settings;
  put_little(out, image.runs.size());
  for (const PackedRun& run : image.runs) {
    put_digest(out, run.content);
    put_digest(out, run.tail);
    put_little(out, run.offset);
    put_little(out, run.blocks.size());
    for (const PackedBlock& block : run.blocks) put_block(out, block);
  }
  put_little(out, image.fragments.size());
  for (const PackedFragment& fragment : image.fragments) {
    put_little(out, fragment.offset);
    put_block(out, fragment.block);
  }
  put_little(out, image.chunks.size());
  for (const Digest& chunk : image.chunks) put_digest(out, chunk);
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
    fragment.offset = cursor.number();
    fragment.block = cursor.block();
  }
  image.chunks.resize(cursor.number());
  for (Digest& chunk : image.chunks) chunk = cursor.digest();
  return image;
}

std::size_t packed_size(std::span<const PackedBlock> blocks) {
  std::size_t size = 0;
  for (const PackedBlock& block : blocks) size += packed_size(block.word);
  return size;
}

bool read_packed(const FormerImage& image, std::uint64_t offset, std::span<const PackedBlock> blocks,
                 std::span<char> into) {
  if (read_at(image.file.get(), offset, into) != static_cast<ssize_t>(into.size())) return false;
  if (offset + into.size() <= image.checked.load(std::memory_order_acquire)) return true;
  std::string_view rest(into.data(), into.size());
  for (const PackedBlock& block : blocks) {
    const std::string_view packed = rest.substr(0, packed_size(block.word));
    if (block.word != 0 && sha256(packed) != block.packed) return false;
    rest.remove_prefix(packed.size());
  }
  return true;
}

void BlockCache::load() const {
  std::call_once(loaded_, [this] {
    for (Source& source : load_(settings_))
      images_.emplace_back(std::move(source.packed), std::move(source.image));
    for (const FormerImage& image : images_) {
      for (const PackedRun& run : image.packed.runs) {
        runs_.try_emplace(run.content, Found<PackedRun>{&run, &image});
        std::uint64_t offset = run.offset;
        for (const PackedBlock& block : run.blocks) {
          if (block.word != 0) blocks_.try_emplace(block.name, BlockPlace{&block, offset, &image});
          offset += packed_size(block.word);
        }
      }
      for (const PackedFragment& fragment : image.packed.fragments)
        fragments_.try_emplace(fragment.block.name, Found<PackedFragment>{&fragment, &image});
    }
  });
}

void BlockCache::check_ahead() {
  if (checking_.joinable() || stopping_) return;
  checking_ = std::thread([this] {
    lower_priority(Priority::idle);
    try {
      load();
      if (!images_.empty()) check(images_.front());
    } catch (const Error&) {
      // Whoever looks something up meets the same error.
    }
  });
}

void BlockCache::stop_checking() {
  stopping_ = true;
  if (checking_.joinable()) checking_.join();
}

void BlockCache::check(FormerImage& image) const {
  const std::span<const Digest> chunks(image.packed.chunks);
  std::vector<char> room;
  for (std::size_t at = 0; at < chunks.size();) {
    const std::size_t count = std::min(kShaLanes, chunks.size() - at);
    if (stopping_ || !has_chunks(image.file.get(), at, chunks.subspan(at, count), room)) return;
    at += count;
    image.checked.store(at * kHashedChunk, std::memory_order_release);
  }
}

std::optional<BlockCache::Found<PackedRun>> BlockCache::find_run(const Digest& content) const {
  load();
  const auto it = runs_.find(content);
  if (it == runs_.end()) return std::nullopt;
  return it->second;
}

std::optional<BlockCache::Found<PackedFragment>> BlockCache::find_fragment(const Digest& name) const {
  load();
  const auto it = fragments_.find(name);
  if (it == fragments_.end()) return std::nullopt;
  return it->second;
}

bool BlockCache::has_block(const Digest& name) const {
  load();
  return blocks_.contains(name);
}

std::optional<PackedBytes> BlockCache::read_block(const Digest& name) const {
  load();
  const auto it = blocks_.find(name);
  if (it == blocks_.end()) return std::nullopt;
  const BlockPlace& place = it->second;
  PackedBytes packed{.block = *place.block, .bytes = std::string(packed_size(place.block->word), '\0')};
  if (!read_packed(*place.image, place.offset, {place.block, 1}, packed.bytes)) return std::nullopt;
  return packed;
}

}  // namespace alephc
