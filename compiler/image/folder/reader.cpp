// SPDX-License-Identifier: MIT
#include "base/files.hpp"
#include "image/folder/folder.hpp"
#include "tree/scan.hpp"

namespace alephc {

ImageContent read_folder(const std::filesystem::path& path, const ReadOptions& options) {
  ImageContent content{.format = "dir"};
  content.listing = scan_folder(path, {.jobs = options.jobs, .hash = !options.only_wanted}).listing;
  for (const Entry& entry : content.listing)
    if (entry.type == EntryType::regular && options.keeps(entry.path))
      content.texts[entry.path] = read_file(path / entry.path);
  return content;
}

}  // namespace alephc
