// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "network/pull.hpp"
#include "pipeline/session.hpp"
#include "verify/verify.hpp"

namespace alephc {

/// What was published, fetched and checked, with its recipe where one is to be found.
struct Published {
  std::filesystem::path image{};    ///< in the store
  std::string file_hash{};          ///< as it was published
  std::filesystem::path project{};  ///< empty: no recipe
  std::filesystem::path bundle{};   ///< what its lock names; or empty
  std::vector<VerifyCheck> checks{};
  std::optional<TempDir> work{};  ///< holds the project
};

/// From the hash of a message or file; strict: what a node only says is not enough, as which update is the
/// newest: the image, and the recipe that is embedded in it, or that the message's metadata name (repository
/// and revision). The lock must be the one that the metadata name.
[[nodiscard]] Published fetch_published(const std::string& hash, const NetworkHosts& hosts, bool strict,
                                        const Settings& settings, Reporter& reporter);

/// The same of an image at hand, with the recipe in it. Where that needs files of its project, a check names them, and
/// nothing is rebuilt.
[[nodiscard]] Published open_image(const std::filesystem::path& image, const Settings& settings);

/// The hash of the file that a STORE message publishes, by the
/// message's hash; empty when the network has no such message.
[[nodiscard]] std::string published_file(const std::string& message_hash, const NetworkHosts& hosts,
                                         Reporter& reporter);

}  // namespace alephc
