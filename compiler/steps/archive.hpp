// SPDX-License-Identifier: MIT
#pragma once

#include <set>

#include "steps/step.hpp"

namespace alephc {

/// An entry of [[archive]].
struct ArchiveInput {
  static constexpr std::string_view kMembers = "name sha256 integrity target owner strip";
  Label name{};
  Digest sha256{};
  std::string integrity{};  ///< subresource integrity; empty: none was promised
  std::string target{};     ///< absolute
  std::string owner{};
  std::uint32_t strip = 0;  ///< leading folders to drop
};

[[nodiscard]] Step archive_step(StepName name, ArchiveInput input);

/// How an archive goes into a tree.
struct UnpackOptions {
  std::string label{};   ///< for messages
  std::string target{};  ///< absolute
  std::string owner = "root:root";
  std::uint32_t strip = 0;   ///< leading folders to drop
  bool plain_modes = false;  ///< 0755 for folders and executables, else 0644, whatever the archive says
  std::set<std::string> executable{};  ///< with plain modes: paths below the target that become executable
};
void unpack_archive(const UnpackOptions& options, int fd, const Tree& below, LayerWriter& out);

/// Throws an integrity Error when a file is not what a subresource integrity says; an empty one says nothing.
/// Back to the file's start afterwards.
void require_integrity(int fd, const std::string& integrity, const std::string& label);

}  // namespace alephc
