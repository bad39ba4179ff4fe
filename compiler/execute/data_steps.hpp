// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "distro/distro.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "tree/layer_writer.hpp"
#include "tree/tree.hpp"

namespace alephc {

// Steps that are computed from data: no process of the image runs, no path is looked up by the kernel.

/// [[file]] entries, those before the packages or the others.
void put_files(const Manifest& manifest, bool early, const Tree& below, LayerWriter& out);

/// [system] and [[user]], and the image's own package sources.
void put_system(const Manifest& manifest, const Lock& lock, const Distro& distro, const Tree& below,
                LayerWriter& out);

/// packages.exclude_paths: dpkg's globs, the last that matches decides; copyright files stay unless named.
void exclude_paths(const Manifest& manifest, const Tree& below, LayerWriter& out);

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

/// The packages of [node]; open gives the tarball of one.
void put_modules(const Manifest& manifest, const Lock& lock, const Tree& below, LayerWriter& out,
                 const std::function<UniqueFd(const LockedModule&)>& open);

/// One folder of a tree as a tree of its own.
void put_subtree(const std::string& folder, const Tree& tree, LayerWriter& out);

}  // namespace alephc
