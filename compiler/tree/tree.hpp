// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "tree/entry.hpp"
#include "tree/scan.hpp"

namespace alephc {

/// The difference that one step makes, as data, and the folder that holds the contents of its regular files
/// (in overlay form, so that it can be mounted as a lower).
struct Layer {
  Digest digest{};  ///< sha256 of layer_text(listing)
  Listing listing{};
  std::filesystem::path folder{};
};

/// A stack of layers seen as one listing. Contents are read from the layer that an entry came from.
class Tree {
 public:
  /// Puts a layer on top.
  void add(std::shared_ptr<const Layer> layer);

  [[nodiscard]] const Listing& entries() const { return entries_; }
  [[nodiscard]] const Entry* find(const std::string& path) const { return find_entry(entries_, path); }
  [[nodiscard]] const std::vector<std::shared_ptr<const Layer>>& layers() const { return layers_; }
  /// Opens the content of a regular file.
  [[nodiscard]] UniqueFd open_content(const Entry& entry) const;
  [[nodiscard]] std::string read_content(const Entry& entry) const;

  /// Follows symlinks inside the tree the way a chroot would: all of the path, or (follow_last = false) its
  /// folders only. Parts that do not exist are kept as they are. Throws on a loop.
  [[nodiscard]] std::string resolve(const std::string& path, bool follow_last = true) const;

 private:
  void remove_hidden(const std::vector<bool>& hidden);
  void insert_sorted(const Listing& listing, std::uint32_t origin);

  std::vector<std::shared_ptr<const Layer>> layers_;
  Listing entries_;
  std::vector<std::uint32_t> origins_;  ///< index into layers_, one an entry
};

/// What an overlay upper changes against the listing below it: entries that are the same are left out,
/// deletions become whiteouts. redundant gets the non-folder paths that can be removed from the folder.
[[nodiscard]] Listing upper_to_layer(const Listing& below, ScanResult upper,
                                     std::vector<std::string>& redundant);

}  // namespace alephc
