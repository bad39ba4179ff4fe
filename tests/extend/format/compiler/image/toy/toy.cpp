// SPDX-License-Identifier: MIT
#include "image/toy/toy.hpp"

#include <fcntl.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "image/byte_source.hpp"
#include "image/content_reader.hpp"
#include "image/read_budget.hpp"
#include "tree/listing_text.hpp"

namespace alephc {
namespace {

constexpr std::string_view kMagic = "TOYIMAGE";
constexpr std::size_t kLength = 16;  // of the listing's text: decimal digits, blanks before them

bool has_content(const Entry& entry) {
  return entry.type == EntryType::regular && entry.hard_link.empty();
}

void write(const Tree& tree, const WriteOptions& options, const std::filesystem::path& path) {
  Listing listing = tree.entries();
  if (!options.keep_times)
    for (Entry& entry : listing) entry.mtime = options.time;
  const std::string text = layer_text(listing);
  const std::string length = std::to_string(text.size());
  const UniqueFd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  write_all(file.get(), std::string(kMagic) + std::string(kLength - length.size(), ' ') + length + text);
  for (const Entry& entry : tree.entries())
    if (has_content(entry)) read_checked(tree, entry, [&](std::string_view bytes) { write_all(file.get(), bytes); });
}

ImageContent read(const ByteSource& image, const ReadOptions& options, ReadBudget& budget) {
  const std::size_t head = kMagic.size() + kLength;
  const auto length = parse_size(trim(image.bytes(kMagic.size(), kLength)));
  if (!length || *length > image.size()) throw Error(ErrorKind::integrity, "the head of the toy image is damaged");
  ImageContent content{.format = "toy", .listing = parse_layer_text(image.bytes(head, *length))};
  std::uint64_t at = head + *length;
  for (const Entry& entry : content.listing) {
    budget.take_entry(entry.path);
    if (!has_content(entry)) continue;
    budget.take_content(entry.size);
    const std::string bytes = image.bytes(at, entry.size);
    at += entry.size;
    if (sha256(bytes) != entry.content) throw Error(ErrorKind::integrity, "/" + entry.path + " is damaged");
    if (!options.keeps(entry.path)) continue;
    budget.take_text(entry.size);
    content.texts[entry.path] = bytes;
  }
  return content;
}

}  // namespace

const ImageFormat& toy_format() {
  static const ImageFormat format{.name = "toy",
                                  .extension = ".toy",
                                  .magic = {.offset = 0, .bytes = kMagic},
                                  .write = write,
                                  .read = read};
  return format;
}

}  // namespace alephc
