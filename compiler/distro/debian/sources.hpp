// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "distro/distro.hpp"

namespace alephc::debian {

/// One suite of one archive that packages are taken from.
struct Source {
  std::string name{};   ///< "debian", "ubuntu" or [[repository]].name
  std::string suite{};  ///< "./" and the like for flat archives
  std::vector<std::string> components{};
  std::vector<std::string> bases{};  ///< addresses of the archive, best first
  std::filesystem::path keyring{};
  std::string embedded_keys{};  ///< instead, where there is no such file
  std::string fingerprint{};    ///< pinned, or empty
  bool distribution_keyring = false;
  bool check_valid_until = true;
  bool optional = false;      ///< the release may have no such suite (a default)
  std::int64_t priority = 0;  ///< apt pin; 0: apt's default
  SourceSpan at{};

  [[nodiscard]] bool is_flat() const { return suite.ends_with('/'); }
  [[nodiscard]] std::string id() const { return name + "/" + suite; }
};

/// The keys that a source is to be signed with; an Error when there are none on this machine.
[[nodiscard]] std::string keys_of(const Source& source);

/// All sources of a manifest in order of precedence. date is a snapshot date or empty: then bases are mirrors
/// first and the snapshot archive last.
[[nodiscard]] std::vector<Source> sources_of(const Manifest& manifest, const Mirrors& mirrors,
                                             const std::string& date);

/// Bases for one locked repository at build time, the snapshot archive of its date included.
[[nodiscard]] std::vector<std::string> bases_of(const Manifest& manifest, const LockedRepository& repository,
                                                const Mirrors& mirrors);

/// An archive that this machine's own apt uses.
struct AptEntry {
  std::string uri{};
  std::vector<std::string> suites{};
};
[[nodiscard]] std::vector<AptEntry> parse_sources_list(const std::string& text);  ///< one-line format
[[nodiscard]] std::vector<AptEntry> parse_deb822_sources(const std::string& text);

/// The distribution's public snapshot archive as it was at date.
[[nodiscard]] std::string snapshot_base(const std::string& distro, const std::string& suite,
                                        const std::string& date);

}  // namespace alephc::debian
