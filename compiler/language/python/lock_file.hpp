// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "lock/lock.hpp"

namespace alephc {

/// What another tool's lock of Python packages says, in pip's words. pip chooses what fits the target, by its
/// own tags and markers; the hashes decide whether it may.
struct PythonLockFile {
  bool is_given = false;                    ///< there is such a file: it alone says what may be installed
  std::vector<std::string> requirements{};  ///< "fastapi==0.120.1 ; python_version >= '3.9'"
  std::vector<std::string> constraints{};
  bool is_complete = false;  ///< the requirements are all there is: dependencies are not followed
  std::map<std::string, std::set<Digest>> hashes{};  ///< "NAME VERSION", name normalized → files that may be
};

/// pylock.toml (PEP 751) or uv.lock, told apart by what they hold. Throws an Error of kind failed with the
/// place of what cannot be followed.
[[nodiscard]] PythonLockFile read_python_lock(const std::string& name, std::string text);

/// What locked files have that the lock file does not allow, a sentence each. A file without hashes allows nothing; no
/// file allows everything.
[[nodiscard]] std::vector<std::string> contradictions(const std::vector<LockedWheel>& wheels,
                                                      const PythonLockFile& lock_file);

/// Lower case, one "-" for every run of "-", "_" and "." (PEP 503).
[[nodiscard]] std::string normalized_python_name(std::string_view name);

}  // namespace alephc
