// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <unistd.h>

#include "tree/scan.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// A folder of the machine as a tree of one layer.
inline Tree tree_of(const std::filesystem::path& folder) {
  auto layer = std::make_shared<Layer>();
  layer->folder = folder;
  layer->listing = scan_folder(folder, {}).listing;
  Tree tree;
  tree.add(layer);
  return tree;
}

/// An entry that belongs to whoever runs the tests, so that no rights are needed to make it.
inline Entry own_entry(EntryType type, const std::string& path, std::uint32_t mode = 0755) {
  return {.path = path,
          .type = type,
          .mode = mode,
          .uid = static_cast<std::uint32_t>(::geteuid()),
          .gid = static_cast<std::uint32_t>(::getegid()),
          .mtime = 500};
}

}  // namespace alephc
