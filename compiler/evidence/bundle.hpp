// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "store/store.hpp"

namespace alephc {

/// Everything that a lock names, as one file from which it can be built and verified without network. A POSIX
/// tar, the same bytes for the same contents: bundle.json, runtime.lock and blobs/<sha256>.
struct Bundle {
  std::string lock_text{};
  std::map<std::string, Digest> keyrings{};  ///< repository ("debian/bookworm") → its keyring
  std::vector<Digest> blobs{};               ///< the keyrings too; sorted, each once
};

/// All blobs must be in the store. Written beside file, then renamed.
void write_bundle(Bundle bundle, const Store& store, const std::filesystem::path& file);

/// Brings every blob of a bundle into the store, each under the hash of its own bytes. Throws an integrity
/// Error when a member's bytes are not those of its name, or when one that bundle.json names is missing.
Bundle import_bundle(const std::filesystem::path& file, const Store& store);

}  // namespace alephc
