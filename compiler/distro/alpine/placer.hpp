// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "decode/decoded_archive.hpp"
#include "distro/accounts.hpp"
#include "distro/alpine/database.hpp"
#include "distro/alpine/package.hpp"
#include "distro/root_model.hpp"
#include "tree/known_contents.hpp"

namespace alephc::alpine {

/// A package that is, or is about to be, installed.
struct PlacedPackage {
  std::string name{};
  std::string version{};
  std::string origin{};    ///< the source that it was built from
  std::string replaces{};  ///< dependencies that name the packages whose files it takes over
  std::uint64_t replaces_priority = 0;
  std::vector<InstalledFolder> folders{};
};

/// Brings the files of packages into the root one package after the other, as apk does: other packages' files
/// are replaced only where a "replaces" says so, what was changed below protected paths stays, and the new
/// file lies beside it as .apk-new.
class Placer {
 public:
  /// known gets the hashes of the files it places.
  Placer(RootModel& root, KnownContents& known);

  /// Tells it of a package that a former layer installed.
  void add_installed(PlacedPackage package);
  /// Scripts may have changed accounts: they are read again.
  void forget_accounts();
  /// Throws an Error if another package has one of the files, and none of the two says that it takes it over.
  void place(PlacedPackage package, const DecodedArchive& archive);
  /// Gives folders the owner and mode that all packages agree on, where that changed: scripts may have set
  /// others. A folder that was made otherwise before the first package is left alone.
  void settle_folders();

  /// In the order they came in; paths that packages lost to others are gone from them.
  [[nodiscard]] const std::vector<PlacedPackage>& packages() const { return packages_; }

 private:
  struct Owner {
    std::size_t package = 0;
    std::string checksum{};
    std::string place{};  ///< where this layer put it; empty if it did not
  };

  void place_folder(const DecodedEntry& decoded);
  void place_file(const DecodedEntry& decoded);
  bool may_take(const std::string& path);
  void check_link(const Entry& entry) const;
  [[nodiscard]] bool is_replaced(const PlacedPackage& by, const PlacedPackage& other) const;
  void drop_path(std::size_t package, const std::string& path);
  InstalledFolder& folder_of(const std::string& path);
  Attributes& note_folder(const std::string& path, const Attributes& attributes);
  void claim_folder(const std::string& path, const Attributes& attributes);
  /// Empty if what is there already stays, and the new file is not needed.
  std::string choose_place(const DecodedEntry& decoded, const std::string& checksum);
  [[nodiscard]] std::string checksum_of(const DecodedEntry& decoded) const;
  void read_protected();
  [[nodiscard]] bool is_protected(const std::string& path) const;
  [[nodiscard]] std::string checksum_in_place(const std::string& place);
  void create(const DecodedEntry& decoded, const std::string& place, const Attributes& attributes);
  bool set_xattrs(const Entry& entry, const std::string& place) const;
  [[nodiscard]] Attributes attributes_of(const DecodedEntry& decoded);
  [[nodiscard]] std::uint32_t id_of(const char* file, const std::string& name, std::uint32_t number);
  [[nodiscard]] std::string read_text(const std::string& path);

  RootModel& root_;
  KnownContents& known_;
  std::vector<PlacedPackage> packages_;
  std::unordered_map<std::string, Owner> owners_;  ///< of files, by path
  std::map<std::string, Attributes> folders_;      ///< what all packages with the folder agree on
  std::map<std::string, Attributes> settled_;      ///< what the folder got
  std::set<std::string> foreign_;                  ///< folders that are left alone
  std::map<std::string, AccountIds> ids_;          ///< by account file
  std::vector<std::string> protected_;  ///< rules of lists: "+opt/kept", "-etc/open"
};

}  // namespace alephc::alpine
