// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "distro/debian/unpack_rules.hpp"
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
  std::set<std::string> obsolete{};                    ///< those of them that another package took over
  /// Relative; its own although they are not placed: files of the same package of another architecture are there, or a
  /// folder where it has a symlink.
  std::set<std::string> shared{};
  bool postponed = false;  ///< has a preinst, which must run before its files are there

  [[nodiscard]] bool has_script(const std::string& script) const { return control_files.contains(script); }
  [[nodiscard]] bool has_conffile(const std::string& path) const {
    return std::find(conffiles.begin(), conffiles.end(), path) != conffiles.end();
  }
  /// As dpkg names it where it has to be clear: with the architecture where two of a name may be installed.
  [[nodiscard]] std::string dpkg_name() const;
};

/// One package of a batch.
struct PackageToUnpack {
  std::size_t id = 0;  ///< index in its layer
  std::string label{};
};

/// Unpacks packages into an upper folder as dpkg would into the merged tree: through symlinks to folders,
/// conffiles as .dpkg-new, by the system's UnpackRules, other packages' files replaced only where Replaces allows.
/// Nothing is ever written outside the folder; see root_model.hpp.
class Unpacker {
 public:
  /// In which order the packages of a layer are unpacked: any that gives dpkg's result, or dpkg's.
  enum class Order { any, of_dpkg };
  /// Packages of a batch that are read, up to their files, and placed by a later batch.
  enum class Postpone { none, with_preinst, all };
  /// Thrown where a later batch shows that the order of the layer matters: the layer is to be begun again in dpkg's.
  struct LayerOrderMatters {};

  /// known gets the hashes of the files it places. No folder is younger than `time`, in seconds.
  Unpacker(const Tree& below, std::filesystem::path upper, std::int64_t time, DecodedPackages& decoded,
           KnownContents& known, Order order);

  /// A script wrote into the upper folder: the next batch reads it and the rules again.
  void invalidate() { stale_ = true; }
  /// What follows, scripts too, is of a dpkg of its own, which reads its rules now.
  void start_dpkg() {
    fresh_ = true;
    rescan();
  }

  /// Unpacks a batch on up to jobs threads. What would depend on the order of
  /// unpacking (two packages with the same path, a symlink here that is a folder
  /// there) undoes the batch, which then runs again one package after the other.
  [[nodiscard]] std::vector<UnpackedPackage> unpack(const std::vector<PackageToUnpack>& packages,
                                                    unsigned jobs, Postpone postpone);

  /// Absolute paths of a package, by its number in the layer, while the order is not dpkg's.
  [[nodiscard]] std::vector<std::string> paths_of(std::size_t id);
  [[nodiscard]] bool brings(std::size_t id, const std::string& path);

  /// Paths that packages of earlier batches or layers lost
  /// to others: package (or package:arch) → absolute paths.
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& lost_paths() const { return lost_; }

 private:
  friend class PackagePlacer;

  struct OrderMatters {};  ///< thrown to undo a parallel batch

  /// What a batch placed, for those that come.
  struct Placed {
    std::size_t id = 0;  ///< of the package
    bool is_folder = false;
    std::uint32_t mode = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
  };

  void rescan();
  void check_order(const std::string& place, const Entry& entry, std::size_t id) const;
  void check_diversions(const UnpackRules& before, const std::vector<PackageToUnpack>& batch);
  void remember(const std::vector<PackageToUnpack>& packages);
  std::string claim(const Entry& entry, UnpackedPackage& package, std::uint32_t owner, bool conffile,
                    bool& skip);
  bool claim_conffile(const std::string& path, const std::string& place, UnpackedPackage& package,
                      std::uint32_t owner, bool& skip);
  bool may_replace(UnpackedPackage& package, const std::string& path, std::uint32_t owner,
                   RootModel::Node& node, bool& skip);
  bool may_replace_former(const UnpackedPackage& package, const std::string& path, bool& skip);
  [[nodiscard]] bool is_kept_apart(const std::string& path, const std::string& package,
                                   const std::string& other) const;
  bool may_replace_in_batch(UnpackedPackage& package, const std::string& path, const UnpackedPackage& earlier,
                            bool& skip);
  bool may_have_name(UnpackedPackage& package, const std::string& path, std::uint32_t owner, bool& skip);
  bool take_over_conffile(const std::string& path, const std::string& place, UnpackedPackage& package,
                          std::uint32_t owner, bool& skip);
  const std::vector<std::string>& owners_before(const std::string& path);
  [[nodiscard]] std::string installed_control(const std::string& package) const;
  /// Of the upper folder, else of the tree below.
  [[nodiscard]] std::string read_below(const char* path) const;
  std::string place_of(const std::string& path, const std::string& package, std::uint32_t owner);
  void run(const std::vector<PackageToUnpack>& packages, unsigned jobs);
  void unpack_one(const PackageToUnpack& package, std::uint32_t owner);

  RootModel model_;
  DecodedPackages& decoded_;
  KnownContents& known_;
  std::mutex mutex_;
  bool stale_ = true;
  bool fresh_ = true;  ///< no dpkg has read its rules
  bool sequential_ = false;
  Postpone postpone_ = Postpone::none;
  Order order_;
  std::optional<std::unordered_map<std::string, std::vector<std::string>>>
      former_;  ///< path → who has it in dpkg's lists
  std::unordered_map<std::string, std::vector<std::uint32_t>>
      names_now_;                                    ///< path → who of the batch, where names count
  std::vector<std::size_t> ids_;                     ///< of the batch
  std::vector<std::pair<std::string, Placed>> now_;  ///< what the batch placed
  std::unordered_map<std::string, Placed> placed_;   ///< by former batches, while the order is not dpkg's
  std::map<std::size_t, std::string> names_;         ///< of packages, by id
  std::map<std::string, std::size_t> numbers_;       ///< and the other way round
  std::map<std::size_t, std::vector<std::string>> paths_;  ///< of those that are placed, by id
  std::vector<UnpackedPackage> packages_;
  UnpackRules rules_;
  std::map<std::string, std::vector<std::string>> lost_;
  std::map<std::string, std::vector<std::string>> lost_before_;  ///< the batch
};

}  // namespace alephc::debian
