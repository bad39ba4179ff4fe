// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "distro/debian/apt_program.hpp"
#include "distro/debian/indexes.hpp"

namespace alephc::debian {

struct Chosen {
  std::string name{};
  std::string version{};
  std::string arch{};
};

struct AptAnswer {
  std::vector<Chosen> install{};      ///< in apt's install order
  std::vector<std::string> remove{};  ///< what apt would purge or remove; NAME:ARCH of other architectures
  bool ok = false;
  std::string errors{};  ///< apt's own words when it found no solution
};

/// The release's own solver as a child process on a private folder, fed with indexes that we verified: it downloads
/// nothing, and nothing of this machine's apt configuration or dpkg state reaches it.
class AptRoot {
 public:
  /// program must outlive it.
  AptRoot(const AptProgram& program, const Store& store, const std::vector<VerifiedSource>& sources,
          std::string arch, const std::vector<std::string>& foreign_archs, bool recommends);

  /// Local packages as one more repository; stanzas have Filename, Size and SHA256.
  void add_local(const std::string& packages_text);
  /// Prefers these versions over newer ones.
  void keep_versions(const std::vector<Chosen>& packages);
  /// State for a removal: everything installed, these automatically.
  void set_installed(const std::string& status_text, const std::vector<Chosen>& automatic);

  [[nodiscard]] AptAnswer install(const std::vector<std::string>& requests) const;
  [[nodiscard]] AptAnswer purge(const std::vector<std::string>& names) const;

 private:
  [[nodiscard]] AptAnswer run(const std::vector<std::string>& arguments) const;
  void write_config(const std::vector<std::string>& foreign_archs, bool recommends) const;

  [[nodiscard]] bool is_confined() const { return program_.files != nullptr; }
  [[nodiscard]] CommandResult call(const std::vector<std::string>& argv) const;
  void put_list(const Store& store, const Digest& digest, const std::filesystem::path& place) const;

  const AptProgram& program_;
  std::optional<WorkFolder> work_;  ///< of the sandbox, or
  std::optional<TempDir> temp_;     ///< without one
  std::filesystem::path folder_;
  std::filesystem::path lists_;  ///< of the indexes
  std::string seen_;             ///< the folder as apt sees it
  std::string arch_;
  std::string sources_list_;
  std::string preferences_;
};

}  // namespace alephc::debian
