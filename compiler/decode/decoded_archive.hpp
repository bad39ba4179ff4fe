// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "decode/decode.hpp"
#include "tree/entry.hpp"

namespace alephc {

/// One member of an archive that was taken apart.
struct DecodedEntry {
  std::string member{};    ///< of a .deb "control" or "data", else ""
  Entry entry{};           ///< content is set for files with a content of their own
  std::string text{};      ///< content of control members
  std::uint32_t file = 0;  ///< name of the file with the content of the others
};

/// An archive taken apart into a folder, so that nobody has to decode it again:
///   index     sha256 (hex) of the rest, a line feed, and the members as messages of decode/wire.hpp; the
///             data of a file is its sha256 there
///   0 1 2 …   contents of regular files, with the owner, mode and time that the archive gives them: to be
///             linked to where they belong, and never to be written to
struct DecodedArchive {
  std::filesystem::path folder{};
  std::vector<DecodedEntry> entries{};  ///< in the archive's order
};

/// Takes an archive of unknown honesty apart into an empty folder. Times after newest become newest. Throws
/// as decode_archive does.
[[nodiscard]] DecodedArchive decode_to_folder(int fd, ArchiveKind kind, const std::filesystem::path& folder,
                                              std::int64_t newest);

/// What decode_to_folder left there; every content is hashed again. nullopt if anything is not as it was
/// left, or was made with another newest.
[[nodiscard]] std::optional<DecodedArchive> read_decoded(const std::filesystem::path& folder,
                                                         std::int64_t newest);

}  // namespace alephc
