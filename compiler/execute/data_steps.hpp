// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

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

/// An archive below its target.
void unpack_archive(const ArchiveSpec& archive, int fd, const Tree& below, LayerWriter& out);

}  // namespace alephc
