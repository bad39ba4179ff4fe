// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "vm/node_session.hpp"

namespace alephc {

/// How the user names a program for `alephc run`; empty members are guessed.
struct ProgramRequest {
  std::filesystem::path path{};  ///< file or folder
  std::string entrypoint{};
  std::string encoding{};
  std::string interface {};
};

/// A program made ready to send: code is inline, or a squashfs image in code_image for /dev/vdb.
struct PreparedProgram {
  GuestProgram program{};
  std::filesystem::path code_image{};
};

/// Packs a folder as zip (or squashfs) and guesses what was not said; work is a folder for what is made.
[[nodiscard]] PreparedProgram prepare_program(const ProgramRequest& request,
                                              const std::filesystem::path& work);

/// A zip archive of a folder, members stored, sorted, with UNIX modes.
[[nodiscard]] std::string zip_folder(const std::filesystem::path& folder);

}  // namespace alephc
