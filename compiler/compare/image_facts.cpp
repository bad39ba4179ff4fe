// SPDX-License-Identifier: MIT
#include "compare/image_facts.hpp"

#include <fcntl.h>

#include "base/fd.hpp"
#include "image/image_format.hpp"

namespace alephc {

ImageFacts read_outside(const std::filesystem::path& path) {
  ImageFacts facts{.path = path};
  if (std::filesystem::is_regular_file(path)) {
    facts.size = std::filesystem::file_size(path);
    facts.sha256 = sha256_file(path);
    facts.filesystem = image_fields(path);
  }
  return facts;
}

void read_inside(ImageFacts& facts, unsigned jobs) {
  ImageContent content = read_image(facts.path, {.jobs = jobs, .wanted = is_package_database});
  facts.format = content.format;
  facts.packages = read_installed(content.listing, content.texts);
  for (const InstalledPackage& package : facts.packages)
    for (const std::string& owned : package.paths) facts.owners.emplace(owned, package.name);
  facts.tree = tree_digest(content.listing, content.outside);
  facts.listing = std::move(content.listing);
}

}  // namespace alephc
