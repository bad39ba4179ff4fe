// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "decode/decoded_archive.hpp"
#include "distro/debian/unpack.hpp"

namespace alephc::debian {

/// Brings one decoded .deb to its place: control files into
/// the UnpackedPackage, its files into the Unpacker's folder.
class PackagePlacer {
 public:
  PackagePlacer(Unpacker& unpacker, UnpackedPackage& package, std::uint32_t owner,
                const DecodedArchive& archive)
      : unpacker_(unpacker), package_(package), owner_(owner), archive_(archive) {}

  /// Throws if the package lacks what every package has.
  void read_control();
  void place_files();

 private:
  void add_control_file(const DecodedEntry& decoded);
  void place_entry(const DecodedEntry& decoded);
  [[nodiscard]] std::optional<Entry> changed(const DecodedEntry& decoded) const;
  void create(const DecodedEntry& decoded, const Entry& entry, const std::string& place);
  void note_sum(const DecodedEntry& decoded);
  void add_sums();
  void put_content(const DecodedEntry& decoded, const std::string& place);

  Unpacker& unpacker_;
  UnpackedPackage& package_;
  std::uint32_t owner_;
  const DecodedArchive& archive_;
  std::set<std::string> conffiles_;          ///< relative
  bool lacks_sums_ = false;                  ///< has no md5sums, so that dpkg makes them
  std::map<std::string, std::string> sums_;  ///< of the files that were placed, by path
};

}  // namespace alephc::debian
