// SPDX-License-Identifier: MIT
#pragma once

#include <set>
#include <string>

#include "decode/decoded_archive.hpp"
#include "distro/debian/unpack.hpp"

namespace alephc::debian {

/// Brings one decoded .deb to its place: control files into the UnpackedPackage, its files into the
/// Unpacker's folder, as links to the decoded ones.
class PackagePlacer {
 public:
  PackagePlacer(Unpacker& unpacker, UnpackedPackage& package, std::uint32_t owner,
                const DecodedArchive& archive);

  /// Throws if the package lacks what every package has.
  void read_control();
  void place_files();

 private:
  void add_control_file(const DecodedEntry& decoded);
  void place(const DecodedEntry& decoded);
  void create(const DecodedEntry& decoded, const std::string& place);
  void link_content(const DecodedEntry& decoded, const std::string& place);
  void make_own_copy(const std::string& place);
  void link_within(const std::string& source, const std::string& place);

  Unpacker& unpacker_;
  UnpackedPackage& package_;
  std::uint32_t owner_;
  const DecodedArchive& archive_;
  UniqueFd contents_;
  std::set<std::string> conffiles_;  ///< relative
};

}  // namespace alephc::debian
