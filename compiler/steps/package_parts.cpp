// SPDX-License-Identifier: MIT
#include "steps/package_parts.hpp"

#include <algorithm>
#include <optional>

#include <fcntl.h>

#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/trace.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kStemDigits = 32;  // of the package's digest: names stay apart

/// False if a content is nowhere, or not what it was.
bool copy_contents(DecodedArchive& archive, LayerContents& contents, const std::string& stem) {
  const auto is_there = [&](const DecodedEntry& decoded) {
    return !decoded.has_content() || contents.has(decoded.entry.content);
  };
  if (!std::all_of(archive.entries.begin(), archive.entries.end(), is_there)) return false;
  std::size_t number = 0;
  for (DecodedEntry& decoded : archive.entries) {
    if (!decoded.has_content()) continue;
    throw_if_interrupted();
    const std::optional<UniqueFd> source = contents.open(decoded.entry.content);
    if (!source) return false;
    decoded.content = stem + std::to_string(number++);
    const UniqueFd copy = open_file(decoded.content, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    copy_bytes(source->get(), copy.get());
    set_content_attributes(copy.get(), decoded.entry);
  }
  return true;
}

}  // namespace

DecodedArchive take_apart(const StoredPackage& package, const Store& store, LayerContents& contents,
                          const fs::path& folder, std::int64_t youngest) {
  make_folders(folder, 0700);
  const std::string stem = (folder / package.digest.hex().substr(0, kStemDigits)).string() + ".";
  if (const auto text = store.find_decoded(package.digest)) {
    const TraceSpan span("find", package.label);
    auto known = parse_decoded_text(*text, youngest);
    if (known && copy_contents(*known, contents, stem)) return std::move(*known);
  }
  const UniqueFd file = package.open();
  const TraceSpan span("decode", package.label);
  DecodedArchive decoded = decode_to_files(file.get(), package.kind, stem, youngest);
  store.put_decoded(package.digest, decoded_text(decoded, youngest));
  return decoded;
}

}  // namespace alephc
