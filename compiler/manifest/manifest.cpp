// SPDX-License-Identifier: MIT
#include "manifest/manifest.hpp"

namespace alephc {

std::filesystem::path Manifest::content_of(const std::string& project_path) const {
  const auto found = contents.find(project_path);
  check(found != contents.end(), "a file of the project is read before it is used");
  return found->second;
}

}  // namespace alephc
