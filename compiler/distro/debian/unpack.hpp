// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "distro/decoded_packages.hpp"
#include "distro/root_model.hpp"
#include "tree/known_contents.hpp"
#include "tree/tree.hpp"

namespace alephc::debian {

/// What unpacking a .deb leaves for dpkg's database.
struct UnpackedPackage {
  std::string name{};
  std::string arch{};
  std::string version{};
  std::string label{};    ///< "bash 5.2.15-2+b8", for messages
  std::string control{};  ///< text of the control file
  struct ControlFile {
    std::string content{};
    std::uint32_t mode = 0644;
  };
  std::map<std::string, ControlFile> control_files{};  ///< postinst, md5sums …, without control itself
  std::vector<std::string> paths{};                    ///< absolute, in the package's order, "/." first
  std::vector<std::string> conffiles{};                ///< absolute
  bool postponed = false;  ///< has a preinst, which must run before its files are there

  [[nodiscard]] bool has_script(const std::string& script) const { return control_files.contains(script); }
};

/// One package of a batch.
struct PackageToUnpack {
  std::size_t id = 0;  ///< index in its layer
  std::string label{};
};

/// Unpacks packages into an upper folder as dpkg would into the merged tree: through symlinks to folders,
/// conffiles as .dpkg-new, diversions honoured, other packages' files replaced only where Replaces allows.
/// Nothing is ever written outside the folder; see root_model.hpp.
class Unpacker {
 public:
  /// known gets the hashes of the files it places. No folder is younger than `time`, in seconds.
  Unpacker(const Tree& below, std::filesystem::path upper, std::int64_t time, DecodedPackages& decoded,
           KnownContents& known);

  /// Something else wrote into the upper folder: the next batch reads it and dpkg's diversions again.
  void invalidate() { stale_ = true; }

  /// Unpacks a batch on up to jobs threads. What would depend on the order of
  /// unpacking (two packages with the same path, a symlink here that is a folder
  /// there) undoes the batch, which then runs again one package after the other. With
  /// postpone_preinst, packages that have a preinst are read up to their files only.
  [[nodiscard]] std::vector<UnpackedPackage> unpack(const std::vector<PackageToUnpack>& packages,
                                                    unsigned jobs, bool postpone_preinst);

  /// Paths that packages of earlier batches or layers lost
  /// to others: package (or package:arch) → absolute paths.
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& lost_paths() const { return lost_; }

 private:
  friend class PackagePlacer;

  struct OrderMatters {};  ///< thrown to undo a parallel batch

  void rescan();
  void read_diversions();
  std::string claim(const Entry& entry, UnpackedPackage& package, std::uint32_t owner, bool conffile,
                    bool& skip);
  bool claim_conffile(const std::string& path, const std::string& place, const UnpackedPackage& package,
                      std::uint32_t owner, bool& skip);
  bool may_replace(const UnpackedPackage& package, const std::string& path, std::uint32_t owner,
                   RootModel::Node& node, bool& skip);
  bool replaces(const UnpackedPackage& package, const std::string& name, const std::string& version) const;
  std::string owner_before(const std::string& path);
  [[nodiscard]] std::string installed_version(const std::string& package) const;
  /// Of the upper folder, else of the tree below.
  [[nodiscard]] std::string read_below(const char* path) const;
  std::string place_of(const std::string& path, const std::string& package, std::uint32_t owner);
  std::string diverted(const std::string& path, const std::string& package) const;
  void run(const std::vector<PackageToUnpack>& packages, unsigned jobs);
  void unpack_one(const PackageToUnpack& package, std::uint32_t owner);

  RootModel model_;
  DecodedPackages& decoded_;
  KnownContents& known_;
  std::mutex mutex_;
  bool stale_ = true;
  bool sequential_ = false;
  bool postpone_preinst_ = false;
  std::vector<UnpackedPackage> packages_;
  std::map<std::string, std::pair<std::string, std::string>> diversions_;  ///< path → (diverted to, package)
  std::map<std::string, std::vector<std::string>> lost_;
  std::map<std::string, std::vector<std::string>> lost_before_;  ///< the batch
};

}  // namespace alephc::debian
