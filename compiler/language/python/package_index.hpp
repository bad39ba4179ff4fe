// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fetch/fetcher.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"

namespace alephc {

/// What this machine's pip is told: its configuration files (global, user, PIP_CONFIG_FILE) and the
/// environment over them, as far as it concerns where packages come from. Credentials in it reach no lock,
/// key or log.
struct PipSettings {
  std::string index{};  ///< empty: pip's own default
  std::vector<std::string> extra_indexes{};
  std::vector<std::string> trusted_hosts{};
  std::string certificates{};  ///< a bundle of CA certificates of this machine
};
[[nodiscard]] PipSettings machine_pip_settings();

/// Indexes for a manifest, the first is asked first: its own, else the machine's, else fallback (which may be
/// empty); then the extra ones of both.
[[nodiscard]] std::vector<std::string> python_indexes(const PythonSpec& python, const PipSettings& machine,
                                                      const std::string& fallback);

/// Addresses of a locked file, from the pages that indexes have for its package (PEP 503). Throws an Error
/// when no index has it.
[[nodiscard]] std::vector<std::string> locate_wheel(const LockedWheel& wheel,
                                                    const std::vector<std::string>& indexes,
                                                    const Fetcher& fetcher);

/// A link of such a page.
struct IndexLink {
  std::string target{};      ///< as it stands there, with its fragment
  std::string attributes{};  ///< all but href, with a space before each: " data-requires-python=\"…\""
  std::string text{};        ///< up to the next tag
};
[[nodiscard]] std::vector<IndexLink> index_links(const std::string& page);

/// The links of such a page: file name → address, absolute if base is.
[[nodiscard]] std::map<std::string, std::string> links_of(const std::string& page, const std::string& base);

/// Name and version of a file by its name; false if it is none of an index.
[[nodiscard]] bool read_wheel_name(const std::string& file, LockedWheel& wheel);

/// "NAME-VERSION" of a source's file; the file itself when it is none.
[[nodiscard]] std::string source_stem(const std::string& file);

}  // namespace alephc
