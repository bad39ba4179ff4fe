// SPDX-License-Identifier: MIT
#pragma once

#include <set>
#include <string>
#include <vector>

#include "distro/alpine/signature.hpp"
#include "distro/distro.hpp"

namespace alephc::alpine {

/// One repository of packages: what a line of /etc/apk/repositories names.
struct Source {
  std::string name{};   ///< "alpine" or [[repository]].name
  std::string suite{};  ///< "v3.20/main"; "./" for one that has no such folders
  std::string tag{};    ///< packages come from it only where NAME@TAG asks for them; empty: all may
  std::vector<std::string> bases{};  ///< addresses above the suite, best first
  std::vector<Key> keys{};
  std::string fingerprint{};  ///< of the one key, pinned; or empty
  bool distribution_keyring = false;
  SourceSpan at{};

  [[nodiscard]] std::string id() const { return name + "/" + suite; }
};

/// All sources of a manifest in order of precedence. A
/// [[repository]] whose name a request has behind "@" is tagged.
[[nodiscard]] std::vector<Source> sources_of(const Manifest& manifest, const Mirrors& mirrors);

/// Addresses of a file below a repository: "x86_64/APKINDEX.tar.gz".
[[nodiscard]] std::vector<std::string> urls_of(const Source& source, const std::string& file);

/// "amd64" → "x86_64".
[[nodiscard]] std::string apk_arch(const std::string& arch);

}  // namespace alephc::alpine
