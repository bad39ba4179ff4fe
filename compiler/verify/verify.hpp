// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/session.hpp"
#include "verify/checks.hpp"

namespace alephc {

struct VerifyRequest {
  std::filesystem::path path{};  ///< project; empty: none is looked at
  std::filesystem::path image{};
  std::string expect{};  ///< a file hash, or the hash of the message
  std::filesystem::path message{};
  std::vector<std::filesystem::path> statements{};
  std::filesystem::path policy{};
  std::filesystem::path bundle{};
  bool rebuild = false;
  bool tree_level = false;            ///< the tree digest decides, not the image's bytes
  bool strict = false;                ///< what is only trusted, and not proven, is not enough
  std::vector<VerifyCheck> before{};  ///< checks that were made already
  /// Told of each check as it is decided, `before` first: what is known stays known when a later one throws.
  std::function<void(const VerifyCheck&)> decided{};
  /// The file that a message publishes, by the message's
  /// hash; empty: none is known. Not set: no node is asked.
  std::function<std::string(const std::string&)> published_file{};
  std::int64_t now = 0;  ///< Unix seconds: how old indexes are, and which keys of the policy are valid
  std::set<std::string> trusted_keys{};  ///< fingerprints of keyrings of the project's own that count
};

struct VerifyReport {
  Verdict verdict = Verdict::undecided;
  std::vector<VerifyCheck> checks{};
  std::vector<std::string> explanation{};  ///< of a mismatch, line by line
};

/// Everything that can be said without network but for fetching what the lock names. The manifest counts as a
/// stranger's: it may not use the network in scripts, nor bring keyrings that the user did not name.
[[nodiscard]] VerifyReport verify_runtime(const VerifyRequest& request, const Settings& settings,
                                          Reporter& reporter);

}  // namespace alephc
