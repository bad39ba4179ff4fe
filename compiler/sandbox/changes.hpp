// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace alephc {

// A folder that steps build up in turns, by data and by scripts, keeps the files that data put there: scripts
// see it as the lower of an overlay, and what they change is brought in afterwards.

/// An empty folder for the changes, with the attributes of the folder they are to. linked: paths of the
/// folder that are members of hard-link groups. They move to the changes, because an overlay would split a
/// group when one of its paths is changed.
void prepare_changes(const std::filesystem::path& changes, const std::filesystem::path& folder,
                     const std::set<std::string>& linked);

/// Moves an overlay's upper into the folder that was its topmost lower, and removes it. keep_whiteouts: there
/// were more lowers, which they hide something of. linked is brought up to date.
void merge_changes(const std::filesystem::path& changes, const std::filesystem::path& folder,
                   bool keep_whiteouts, std::set<std::string>& linked);

}  // namespace alephc
