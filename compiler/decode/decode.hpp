// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tree/entry.hpp"

namespace alephc {

enum class ArchiveKind {
  deb,        ///< ar with control.tar.* and data.tar.*
  archive,    ///< tar in any of its forms and compressions, or zip
  image,      ///< the same, of a whole root: devices are allowed
  initramfs,  ///< cpio in any compression: devices are allowed
  stream,     ///< one compressed file; a single entry "" with the decompressed bytes
  // A package of gzip members with a tar each that are hashed and signed apart: signature (it may lack that), control, data.
  tar_members,            ///< all of it
  tar_members_control,    ///< up to the end of control
  tar_members_signature,  ///< up to the end of the first member, which is not a signature if it lacks that
};

/// Receives what an archive holds, in its order. member is "control" or "data" for a .deb, these or
/// "signature" for tar_members, else "".
class ArchiveSink {
 public:
  virtual ~ArchiveSink() = default;
  /// tar_members only: names of the owner and group of the entry that begins next, empty if it has none.
  virtual void owner_names(std::string /*user*/, std::string /*group*/) {}
  /// The path is normalized: relative, no "." and "..", no empty parts; the root itself is "". mtime is as
  /// stored; content is not set. hard_link is the path of an earlier entry of the same member.
  virtual void begin_entry(const std::string& member, Entry entry) = 0;
  virtual void data(std::string_view bytes) = 0;
  virtual void end_entry() = 0;
  /// tar_members only: the compressed member ends at this place of the file.
  virtual void end_member(const std::string& /*member*/, std::uint64_t /*end*/) {}
};

/// Decodes an archive of unknown honesty: parsing and decompression happen in a child without rights (no
/// files, no network, bounded memory), and everything it says is checked again. Throws an Error of kind
/// integrity when the bytes are not such an archive or when a path would leave the root.
void decode_archive(int fd, ArchiveKind kind, ArchiveSink& sink);

/// decode_archive of kind stream into memory, at most limit bytes.
[[nodiscard]] std::string decompress(int fd, std::uint64_t limit);

}  // namespace alephc
