// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/reporter.hpp"
#include "decode/decoded_archive.hpp"
#include "distro/installed.hpp"
#include "fetch/fetcher.hpp"
#include "lock/lock.hpp"
#include "manifest/manifest.hpp"
#include "sandbox/sandbox.hpp"
#include "store/store.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// Mirrors that the user named, best first; a distribution adds the machine's own and its public archive.
struct Mirrors {
  std::vector<std::string> named{};       ///< --mirror, ALEPHC_MIRROR
  std::vector<std::string> configured{};  ///< the user's config.toml
};

struct ResolveRequest {
  const Manifest& manifest;
  const Lock* previous = nullptr;  ///< its versions stay where they can
  bool update_all = false;
  std::set<std::string> update_packages{};
  std::string date{};  ///< YYYYMMDDTHHMMSSZ: as the snapshot archive was then
  const Mirrors& mirrors;
  std::string apt{};  ///< an apt-get that chooses in place of the release's; empty: none
};

/// What a resolver chose: the distribution's share of a Lock.
struct Resolution {
  std::vector<LockedRepository> repositories{};
  std::vector<LockedLayer> layers{};
  std::vector<std::string> removed{};
  std::string resolver{};
  std::int64_t newest_index = 0;  ///< date of the youngest signed index
};

struct InstallPackage {
  static constexpr std::string_view kMembers = "name version arch size sha256 automatic bootstrap identity tag";
  std::string name{};
  std::string version{};
  std::string arch{};
  std::uint64_t size = 0;
  Digest sha256{};
  bool automatic = false;   ///< here because another package needs it
  bool bootstrap = false;   ///< needed before maintainer scripts can run: configured first
  std::string identity{};   ///< alpine: by which the signed index knows it
  std::string tag{};        ///< alpine: of the tagged repository that it comes from
};

/// A layer of packages: all that decides what install() makes of the
/// tree below. The members are the step's key (steps/key_text.hpp).
struct InstallInput {
  static constexpr std::string_view kMembers = "distro rules arch is_first architectures debconf request package";
  std::string distro{};
  int rules = 0;  ///< Distro::install_version()
  std::string arch{};
  bool is_first = false;
  std::vector<std::string> architectures{};  ///< of the first layer: those of all layers, the image's own first
  std::vector<std::string> debconf{};        ///< of the first layer: answers to questions
  std::vector<std::string> requests{};       ///< alpine: the whole world once the layer is there, sorted
  std::vector<InstallPackage> packages{};    ///< in install order
};

/// An input that is to be installed into an empty folder over the tree below.
struct InstallJob {
  const InstallInput& input;
  const Tree& below;
  std::filesystem::path upper{};
  std::filesystem::path scratch{};
  std::filesystem::path log{};
  unsigned jobs = 1;
  KnownContents& known;  ///< gets what is hashed while it is written
  const StepRoom& room;
  const CommandRunner& runner;
  Variation vary{};      ///< for the scripts
  /// The package taken apart; waits for its download if need be. Safe for threads.
  std::function<DecodedArchive(const InstallPackage&)> decode_package{};
  /// Called whenever more files are in place and scripts are about to run; with true when no more come.
  std::function<void(bool complete)> unpacked{};
  /// Makes the upper folder what it was before install().
  std::function<void()> empty_upper{};
};

struct ToolBox {
  const Store& store;
  const Fetcher& fetcher;
  Reporter& reporter;
};

/// A locked index, looked at again: who signed it, and which of the locked packages stand in it.
struct IndexProof {
  std::string repository{};     ///< "debian/bookworm"
  std::string signer{};         ///< fingerprint
  std::int64_t date = 0;         ///< of the signed index, seconds; 0: not known
  std::int64_t key_expired = 0;  ///< since when the signer's key is; 0: it is not. It was valid at the date
  std::size_t packages = 0;     ///< locked ones that come from it
  std::size_t found = 0;        ///< of these, in it with the locked hash
  std::string unknown{};        ///< why nothing can be said: out of reach; else empty
  std::vector<Digest> blobs{};  ///< the signed index and the lists that it names, in the store
  std::filesystem::path keyring{};
  /// Whose keys it was checked with: a keyring of this machine, "alephc's own", "the project's", "the bundle's"; or empty.
  std::string keys{};
};
/// Keyrings for repositories ("debian/bookworm") whose own is not on this machine.
using Keyrings = std::map<std::string, std::filesystem::path>;

/// One distribution. Everything that is particular to it lies behind this.
class Distro {
 public:
  virtual ~Distro() = default;

  /// Chooses packages for the whole manifest. Signatures, hashes and dates are checked on the way.
  [[nodiscard]] virtual Resolution resolve(const ResolveRequest& request, const ToolBox& tools) const = 0;

  /// Addresses of every locked package that is fetched.
  [[nodiscard]] virtual std::vector<RemoteFile> package_files(const Manifest& manifest, const Lock& lock,
                                                              const Mirrors& mirrors) const = 0;

  /// Checks the lock's packages against the signed indexes
  /// that it names. A bad signature is an integrity Error.
  [[nodiscard]] virtual std::vector<IndexProof> prove_packages(const Manifest& manifest, const Lock& lock,
                                                               const Mirrors& mirrors, const Keyrings& spare,
                                                               const ToolBox& tools) const = 0;

  /// What its package files are.
  [[nodiscard]] virtual ArchiveKind package_kind() const = 0;

  /// Version of install()'s rules: part of every install key.
  [[nodiscard]] virtual int install_version() const = 0;
  virtual void install(const InstallJob& job, Reporter& reporter) const = 0;

  /// Commands that purge packages, to be run in the sandbox.
  [[nodiscard]] virtual std::vector<SandboxCommand> remove_commands(
      const std::vector<std::string>& names) const = 0;
  /// Commands that generate locales.
  [[nodiscard]] virtual std::vector<SandboxCommand> locale_commands(
      const std::vector<std::string>& locales) const = 0;
  /// Why a package is in a tree: the chain of requirements from a manifest entry, a line a link.
  [[nodiscard]] virtual std::vector<std::string> explain_package(const Manifest& manifest, const Lock& lock,
                                                                 const Tree& tree,
                                                                 const std::string& name) const = 0;
  /// Which package a path belongs to; nothing if none.
  [[nodiscard]] virtual std::vector<std::string> explain_path(const Tree& tree,
                                                              const std::string& path) const = 0;
  /// Packages that each path of a tree may come from: who ships it, else whose scripts name it.
  [[nodiscard]] virtual std::vector<std::vector<std::string>> suspects(
      const Tree& tree, const std::vector<std::string>& paths) const = 0;
  /// The file with the image's own package sources, or nothing.
  struct SourcesFile {
    std::string path{};
    std::string content{};
  };
  [[nodiscard]] virtual std::optional<SourcesFile> image_sources(const Manifest& manifest,
                                                                 const Lock& lock) const = 0;
  /// True for the files of the package manager's database that read_database() wants.
  [[nodiscard]] virtual bool is_database(const std::string& /*path*/) const { return false; }
  /// What is installed by that database. texts: path → content.
  [[nodiscard]] virtual std::vector<InstalledPackage> read_database(
      const Listing& /*listing*/, const std::map<std::string, std::string>& /*texts*/) const {
    return {};
  }
};

/// The distribution that a manifest names in base.distro. There is one object of each, without state.
[[nodiscard]] const Distro& distro_of(std::string_view name);
[[nodiscard]] std::vector<const Distro*> all_distros();

}  // namespace alephc
