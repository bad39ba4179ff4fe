// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "decode/decode.hpp"
#include "tree/entry.hpp"

namespace alephc {

/// One member of an archive that was taken apart.
struct DecodedEntry {
  std::string member{};             ///< as decode.hpp names it
  Entry entry{};                    ///< content is set for files with a content of their own
  std::string text{};               ///< content of control members and signatures
  std::string user{};               ///< of packages: name of the owner, may be empty
  std::string group{};              ///< the same of its group
  std::string sha1{};               ///< tar_members: 20 bytes, of the content of the others
  std::filesystem::path content{};  ///< file with the content of the others

  [[nodiscard]] bool has_content() const;  ///< that is in a file of its own
};

/// An archive taken apart. Contents are files with the owner, mode and time that the archive gives them, to
/// be moved to where they belong.
struct DecodedArchive {
  std::vector<DecodedEntry> entries{};  ///< in the archive's order
  std::string control_sha1{};           ///< tar_members: 20 bytes, of the compressed control member
  Digest data_sha256{};                 ///< tar_members: of what is behind that
};

/// Takes an archive of unknown honesty apart. Its contents become the files stem + "0", stem + "1" … Times
/// after newest become newest. Throws as decode_archive does.
[[nodiscard]] DecodedArchive decode_to_files(int fd, ArchiveKind kind, const std::filesystem::path& stem,
                                             std::int64_t newest);

/// What a package of tar_members is known by: hashes of its control member, and of all that is behind it.
struct MemberHashes {
  std::string control_sha1{};  ///< 20 bytes
  Digest data_sha256{};
};
/// Throws an integrity Error if that cannot be where the control member is.
[[nodiscard]] MemberHashes hash_members(int fd, std::uint64_t control_begin, std::uint64_t control_end);

/// Owner, mode and time of a content's file.
void set_content_attributes(int fd, const Entry& entry);

/// All of it but the contents, so that an archive whose contents are at hand is not decoded again: the
/// sha256 (hex) of the rest, a line feed, and the members as messages of decode/wire.hpp; the data of a file
/// is its sha256 there, and for tar_members its sha1.
[[nodiscard]] std::string decoded_text(const DecodedArchive& archive, std::int64_t newest);
/// The inverse; contents are known by their hashes only. nullopt
/// if the text is damaged, or was made with another newest.
[[nodiscard]] std::optional<DecodedArchive> parse_decoded_text(std::string_view text, std::int64_t newest);

}  // namespace alephc
