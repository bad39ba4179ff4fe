// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/output_epoch.hpp"
#include "manifest/manifest.hpp"
#include "manifest/value.hpp"

namespace alephc {

/// A file of the project that enters the image.
struct LockedInput {
  std::string path{};  ///< project path
  std::string kind{};  ///< "file", "executable", "link", "folder": an empty one
  Digest sha256{};     ///< of the content, of a link's target; of a folder, of nothing
  bool operator==(const LockedInput&) const = default;
};

/// The entries at or below one project path.
[[nodiscard]] std::vector<LockedInput> inputs_below(const std::vector<LockedInput>& inputs, const std::string& path);

/// A signed index that packages were chosen from.
struct LockedRepository {
  std::string name{};  ///< the distribution's name for its own, else [[repository]].name
  std::string suite{};
  std::int64_t date = 0;  ///< of the index, seconds
  Digest index{};         ///< sha256 of the signed index as fetched
  std::string signer{};   ///< fingerprint of the primary key
  bool distribution_keyring = false;
  bool operator==(const LockedRepository&) const = default;
};

struct LockedPackage {
  std::string name{};
  std::string version{};
  std::string arch{};
  std::uint64_t size = 0;
  Digest sha256{};
  std::string repository{};  ///< "NAME/SUITE" of a LockedRepository, "file" or "url"
  std::string path{};        ///< below the repository, project path, or URL
  bool automatic = false;    ///< here because another package needs it
  bool bootstrap = false;    ///< needed before maintainer scripts can run: configured first
  std::string identity{};    ///< by which the signed index knows it, where that is not sha256
  std::string tag{};         ///< of the tagged repository that it comes from, where there are such
  bool operator==(const LockedPackage&) const = default;
};

/// Packages installed together, in install order; follows the parts of the manifest.
struct LockedLayer {
  std::string name{};
  std::vector<LockedPackage> packages{};
  std::vector<std::string>
      requests{};  ///< of a package manager that keeps them: all once the layer is there, sorted
  bool operator==(const LockedLayer&) const = default;
};

struct LockedArchive {
  std::string name{};
  std::uint64_t size = 0;
  Digest sha256{};
  bool operator==(const LockedArchive&) const = default;
};

/// A file of a Python package index.
struct LockedWheel {
  std::string name{};  ///< normalized: lower case, one "-" for every run of "-", "_", "."
  std::string version{};
  std::string file{};  ///< its name: NAME-VERSION-TAGS.whl, or of a source NAME-VERSION.tar.gz
  std::uint64_t size = 0;
  Digest sha256{};
  [[nodiscard]] bool is_source() const { return !file.ends_with(".whl"); }
  bool operator==(const LockedWheel&) const = default;
};

/// A package of an npm registry.
struct LockedModule {
  std::string path{};  ///< where it goes: "node_modules/a/node_modules/b"
  std::string name{};
  std::string version{};
  std::string integrity{};          ///< as the package-lock.json has it
  std::vector<std::string> bins{};  ///< "NAME=PATH": programs, PATH below the package
  std::uint64_t size = 0;
  Digest sha256{};
  bool operator==(const LockedModule&) const = default;
};

/// Result of an impure [[run]]; zero until it ran once.
struct LockedRun {
  std::string name{};
  Digest layer{};
  bool operator==(const LockedRun&) const = default;
};

/// A file of alephc's own that goes into the image: the init, the ASGI worker.
struct LockedGuestFile {
  std::string name{};
  Digest sha256{};
  bool operator==(const LockedGuestFile&) const = default;
};

/// runtime.lock: everything a build needs to know, and nothing about mirrors or this machine.
struct Lock {
  Digest declared{};         ///< Manifest::declared at lock time
  Digest manifest_digest{};  ///< Manifest::digest
  EpochId epoch{};
  std::vector<std::int64_t> corrections{};  ///< of the epoch, that it was made with
  std::int64_t source_date_epoch = 0;
  std::string resolver{};  ///< "apt 2.6.1"
  std::vector<StdlibPart> parts{};  ///< of the stdlib, as the manifest used them
  std::vector<LockedInput> inputs{};
  std::vector<LockedRepository> repositories{};
  std::vector<LockedLayer> layers{};
  /// Purged after the runs, sorted; NAME:ARCH where a name alone could mean two.
  std::vector<std::string> removed{};
  std::vector<LockedWheel> wheels{};    ///< sorted by name
  std::vector<LockedModule> modules{};  ///< sorted by path
  std::vector<LockedArchive> archives{};
  std::vector<LockedRun> runs{};
  std::vector<LockedGuestFile> guest_files{};  ///< empty without an init of ours
  std::string manifest_text{};                 ///< canonical, prefixed with "manifest."
  Value manifest{};                            ///< the same, parsed

  /// Of all layers, in their order. They live as long as the lock.
  [[nodiscard]] std::vector<std::reference_wrapper<const LockedPackage>> packages() const {
    std::vector<std::reference_wrapper<const LockedPackage>> all;
    for (const LockedLayer& layer : layers) all.insert(all.end(), layer.packages.begin(), layer.packages.end());
    return all;
  }
};

/// What a build of the lock reads by its hash and an address or an alephc has: packages, archives, wheels, modules, guest
/// files. Packages that are files of the project are not among them.
[[nodiscard]] std::vector<Digest> fetched_blobs(const Lock& lock);

/// The epoch that a lock is for, with the lock's own corrections. A failed Error where this alephc does not have it.
[[nodiscard]] OutputEpoch epoch_of(const Lock& lock);

}  // namespace alephc
