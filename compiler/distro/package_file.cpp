// SPDX-License-Identifier: MIT
#include "distro/package_file.hpp"

#include <fcntl.h>

#include "base/diagnostic.hpp"

namespace alephc {

std::string shown_name(const PackageFile& file) {
  return file.path.empty() ? public_url(file.url) : file.path;
}

UniqueFd open_package_file(const PackageFile& file, const Manifest& manifest, const ToolBox& tools) {
  if (!file.path.empty()) return open_file(manifest.content_of(file.path), O_RDONLY);
  const RemoteFile remote{.digest = file.sha256, .urls = {file.url}, .label = public_url(file.url)};
  tools.fetcher.fetch({remote}, [](std::size_t) {});
  auto fd = tools.store.open_blob(file.sha256);
  if (!fd) throw Error(ErrorKind::failed, "the file vanished from the store");
  return std::move(*fd);
}

}  // namespace alephc
