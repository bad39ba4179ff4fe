// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "store/store.hpp"

namespace alephc {

/// Reads every file of the project that the manifest declares, once: each is hashed and put into the store, and whatever
/// uses it later reads it from there, so that nothing that changes meanwhile can come between. Returns what a lock
/// records, sorted by path: files below folders one by one, links as links, folders that are empty. A declared path may
/// be a link within the project: then it counts with the content that it leads to. Fills manifest.contents. Throws an
/// Error that points into the manifest where a path is missing, leads out of the project, or is something else.
[[nodiscard]] std::vector<LockedInput> read_project(Manifest& manifest, const Store& store);

}  // namespace alephc
