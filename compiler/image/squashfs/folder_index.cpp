// SPDX-License-Identifier: MIT
//
// A folder is a run of headers with entries in blocks of metadata, which hold 8 KiB each but for the last. An entry of the
// index names the byte of the folder at which a header begins, the block that it is in, and the first name behind it. The
// kernel trusts all three, so they are compared with the folder as it is read from its beginning.
#include "image/squashfs/folder_index.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include <sqfs/dir.h>
#include <sqfs/inode.h>
#include <sqfs/meta_reader.h>
#include <sqfs/super.h>

#include "base/diagnostic.hpp"
#include "base/limits.hpp"
#include "base/little_endian.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kBlock = 8192;
constexpr std::uint64_t kNoListing = 3;  ///< the size of a folder counts "." and "..", which are not there
constexpr std::size_t kHeader = 12;
constexpr std::size_t kEntry = 8;
constexpr std::size_t kIndexEntry = 12;

struct Place {
  std::uint64_t block = 0;   ///< from the beginning of the table
  std::uint64_t offset = 0;  ///< in it
  std::uint64_t size = 0;    ///< of the listing in bytes
};

struct FolderListing {
  std::string bytes{};
  std::vector<std::uint64_t> blocks{};  ///< from the beginning of the table, in order
};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ErrorKind::integrity, "the image is damaged: the folder /" + path + " " + why);
}

Place place_of(const sqfs_inode_dir_ext_t& folder) {
  const std::uint64_t size = folder.size;
  return {folder.start_block, folder.offset, size > kNoListing ? size - kNoListing : 0};
}

std::pair<sqfs_u64, std::uint64_t> position(const sqfs_meta_reader_t& reader) {
  sqfs_u64 block = 0;
  std::size_t offset = 0;
  sqfs_meta_reader_get_position(&reader, &block, &offset);
  return {block, offset};
}

FolderListing read_listing(sqfs_file_t& file, sqfs_compressor_t& compressor, const sqfs_super_t& super,
                           const Place& place, const std::string& path) {
  if (place.size > limits::kImageText) refuse(path, "is larger than the limit");
  const Sqfs<sqfs_meta_reader_t> reader(
      sqfs_meta_reader_create(&file, &compressor, super.directory_table_start, super.bytes_used));
  check(reader != nullptr, "libsquashfs makes a reader");
  const auto must = [](int code) { sqfs_must(code, "read the image", ErrorKind::integrity); };
  must(sqfs_meta_reader_seek(reader.get(), super.directory_table_start + place.block, place.offset));
  FolderListing listing;
  for (std::uint64_t at = place.offset; listing.bytes.size() < place.size;) {
    const std::uint64_t left = place.size - listing.bytes.size();
    std::string piece(std::min(kBlock - at, left), '\0');
    // Behind all of a block but its last byte the reader still is in it, unless the block is shorter.
    const sqfs_u64 block = position(*reader).first;
    must(sqfs_meta_reader_read(reader.get(), piece.data(), piece.size() - 1));
    if (position(*reader) != std::pair(block, at + piece.size() - 1) && piece.size() > 1)
      refuse(path, "is in blocks of an odd size");
    must(sqfs_meta_reader_read(reader.get(), &piece.back(), 1));
    listing.blocks.push_back(block - super.directory_table_start);
    listing.bytes += piece;
    at = 0;
  }
  return listing;
}

/// First names by the place of their header.
std::map<std::uint64_t, std::string> headers_of(const FolderListing& listing, const std::string& path) {
  const std::string_view bytes = listing.bytes;
  const auto number = [&](std::size_t at, std::size_t size) {
    if (at > bytes.size() || size > bytes.size() - at) refuse(path, "is cut off");
    return read_little(bytes.substr(at, size));
  };
  std::map<std::uint64_t, std::string> headers;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t header = at;
    const std::uint64_t count = number(at, 4) + 1;
    at += kHeader;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t size = number(at + 6, 2) + 1;
      (void)number(at + kEntry, size);
      if (i == 0) headers[header] = bytes.substr(at + kEntry, size);
      at += kEntry + size;
    }
  }
  return headers;
}

}  // namespace

void check_folder_index(sqfs_file_t& file, sqfs_compressor_t& compressor, const sqfs_super_t& super,
                        const sqfs_inode_generic_t& folder, const std::string& path) {
  if (folder.base.type != SQFS_INODE_EXT_DIR || folder.data.dir_ext.inodex_count == 0) return;
  const Place place = place_of(folder.data.dir_ext);
  const FolderListing listing = read_listing(file, compressor, super, place, path);
  const auto headers = headers_of(listing, path);
  const std::string_view index(reinterpret_cast<const char*>(folder.extra), folder.payload_bytes_used);
  std::size_t at = 0;
  for (unsigned i = 0; i < folder.data.dir_ext.inodex_count; ++i) {
    if (index.size() - at < kIndexEntry) refuse(path, "has an index that is cut off");
    const std::uint64_t byte = read_little(index.substr(at, 4));
    const std::uint64_t block = read_little(index.substr(at + 4, 4));
    const std::uint64_t size = read_little(index.substr(at + 8, 4)) + 1;
    at += kIndexEntry;
    if (size > index.size() - at) refuse(path, "has an index that is cut off");
    const auto header = headers.find(byte);
    const std::uint64_t number = (place.offset + byte) / kBlock;
    const bool fits = header != headers.end() && header->second == index.substr(at, size) &&
                      number < listing.blocks.size() && listing.blocks[number] == block;
    if (!fits) refuse(path, "has an index that leads elsewhere");
    at += size;
  }
}

}  // namespace alephc
