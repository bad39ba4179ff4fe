// SPDX-License-Identifier: MIT
#pragma once

#include <set>
#include <string>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "decode/decode.hpp"
#include "distro/debian/unpack.hpp"

namespace alephc::debian {

/// Takes one .deb apart: control files into the UnpackedPackage, the data into the Unpacker's folder.
class DebSink : public ArchiveSink {
 public:
  struct Postponed {};  ///< thrown before the files of a package whose preinst has to run first

  DebSink(Unpacker& unpacker, UnpackedPackage& package, std::uint32_t owner)
      : unpacker_(unpacker), package_(package), owner_(owner) {}

  void begin_entry(const std::string& member, Entry entry) override;
  void data(std::string_view bytes) override;
  void end_entry() override;
  /// Throws if the package lacks what every package has.
  void finish();

 private:
  void begin_control(const Entry& entry);
  void begin_data(Entry entry);
  void read_control_fields();
  void create(const std::string& place);
  void set_attributes(const std::string& place) const;

  Unpacker& unpacker_;
  UnpackedPackage& package_;
  std::uint32_t owner_;
  Entry entry_;
  std::string place_;  ///< of the regular file being written
  UniqueFd file_;
  Sha256 hash_;
  std::string* control_ = nullptr;  ///< where control data goes
  bool data_started_ = false;
  std::set<std::string> conffiles_;  ///< relative
};

}  // namespace alephc::debian
