// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "store/store.hpp"

namespace alephc {

/// Contents of files found by their hash in the layers that the store has already: what came unchanged from a
/// package is there, and need not be decoded again. Safe for threads.
class LayerContents {
 public:
  explicit LayerContents(const Store& store) : store_(store) {}

  /// Whether a layer says that it has the content.
  [[nodiscard]] bool has(const Digest& content);
  /// Opens a file with these bytes, which are hashed here; nothing if there is none.
  [[nodiscard]] std::optional<UniqueFd> open(const Digest& content);

 private:
  void read_layers();

  const Store& store_;
  std::once_flag once_;
  std::vector<std::filesystem::path> folders_;
  std::unordered_map<Digest, std::pair<std::size_t, std::string>, DigestHash> places_;  ///< folder, path
};

}  // namespace alephc
