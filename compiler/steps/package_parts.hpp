// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "decode/decoded_archive.hpp"
#include "store/layer_contents.hpp"
#include "store/store.hpp"

namespace alephc {

struct StoredPackage {
  Digest digest{};
  ArchiveKind kind = ArchiveKind::deb;
  std::string label{};               ///< "bash 5.2.15-2+b8", for traces
  std::function<UniqueFd()> open{};  ///< waits for its download if need be
};

/// A package taken apart into files of a folder that other packages share: a folder for each, removed in the
/// end, would make ext4 create files slowly for minutes. What a former build decoded and left is not decoded again
/// unchanged in a layer: that is copied from there, its hash checked. It is copied and not linked, because
/// scripts see how many names a file has and write to files where they stand.
/// No path is younger than `youngest`, in seconds.
[[nodiscard]] DecodedArchive take_apart(const StoredPackage& package, const Store& store,
                                        LayerContents& contents, const std::filesystem::path& folder,
                                        std::int64_t youngest);

}  // namespace alephc
