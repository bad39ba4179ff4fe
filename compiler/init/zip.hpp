// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace aleph_init {

/// Unpacks a zip archive below a folder: stored and deflated members, UNIX modes and symlinks. Members that
/// would leave the folder are refused, symlinks are made last and never followed. Throws SetupError. Format:
/// APPNOTE 6.3, without ZIP64 (archives come inline and have at most 10 MB).
void unzip(std::string_view archive, const std::string& folder);

}  // namespace aleph_init
