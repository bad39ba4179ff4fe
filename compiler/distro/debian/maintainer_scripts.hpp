// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/root_folder.hpp"
#include "distro/debian/database.hpp"
#include "distro/debian/unpack.hpp"
#include "distro/distro.hpp"

namespace alephc::debian {

/// Runs the scripts of a layer's packages in the sandbox: preinst by itself, the others through the real dpkg. Nothing may
/// start a service in there. After each call something else has written into the upper folder. A script that fails is an
/// Error with the end of its log.
class MaintainerScripts {
 public:
  /// All must outlive it.
  MaintainerScripts(const InstallJob& job, const RootFolder& root, const Database& database,
                    Reporter& reporter)
      : job_(job), root_(root), database_(database), reporter_(reporter) {}

  void run_preinsts(const std::vector<const UnpackedPackage*>& packages) const;
  /// dpkg --configure of the Essential packages, and of others as dpkg names them. As with apt, triggers of the latter wait
  /// for configure_all().
  void configure_essential() const;
  void configure(const std::vector<std::string>& names) const;
  /// All that is left, with byte-compilation side by side at its end.
  void configure_all() const;
  /// Answers of the manifest to debconf's questions.
  void set_debconf(const std::vector<std::string>& answers) const;

  /// Whether scripts find a path.
  [[nodiscard]] bool shows(const std::string& path) const;

 private:
  void run(const std::string& doing, const std::vector<SandboxCommand>& commands,
           SandboxOptions options = {}) const;

  const InstallJob& job_;
  const RootFolder& root_;
  const Database& database_;
  Reporter& reporter_;
};

}  // namespace alephc::debian
