// SPDX-License-Identifier: MIT
#include "distro/debian/maintainer_scripts.hpp"

#include <chrono>

#include "base/text.hpp"
#include "base/trace.hpp"
#include "distro/debian/byte_compilation.hpp"
#include "sandbox/run_checked.hpp"

namespace alephc::debian {
namespace {

constexpr const char* kPolicy = "usr/sbin/policy-rc.d";
constexpr const char* kPolicyText = "#!/bin/sh\nexit 101\n";

SandboxCommand preinst_command(const UnpackedPackage& package, const std::string& folder) {
  return {.argv = {"/bin/sh", "-ec",
                   "cd /var/lib/dpkg; rm -rf tmp.ci; mv " + folder +
                       " tmp.ci; cd /; exec /var/lib/dpkg/tmp.ci/preinst install"},
          .env = {{"DPKG_MAINTSCRIPT_PACKAGE", package.name},
                  {"DPKG_MAINTSCRIPT_ARCH", package.arch},
                  {"DPKG_MAINTSCRIPT_NAME", "preinst"},
                  {"DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"},
                  {"DPKG_ADMINDIR", "/var/lib/dpkg"},
                  {"DPKG_ROOT", ""},
                  {"DPKG_RUNNING_VERSION", "1.21.22"}}};
}

SandboxCommand configure_command(const std::vector<std::string>& names) {
  SandboxCommand command{
      .argv = {"dpkg", "--force-unsafe-io", "--force-confdef", "--force-confold", "--configure"}};
  command.argv.insert(command.argv.end(), names.begin(), names.end());
  return command;
}

/// Says with --verbose how long a part of the step took, and to --trace.
class Timer {
 public:
  Timer(Reporter& reporter, std::string what)
      : reporter_(reporter), what_(std::move(what)), span_("install", what_) {}
  ~Timer() {
    const auto spent = std::chrono::steady_clock::now() - start_;
    const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(spent).count() / 100;
    reporter_.detail("  " + what_ + "  " + std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) +
                     " s");
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  Reporter& reporter_;
  std::string what_;
  TraceSpan span_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

bool MaintainerScripts::shows(const std::string& path) const {
  return root_.has(path) || job_.below.find(path) != nullptr;
}

/// As dpkg runs them: from /var/lib/dpkg/tmp.ci, which holds the package's control files. debconf looks for
/// its templates there and takes the owner of a question from the control file.
void MaintainerScripts::run_preinsts(const std::vector<const UnpackedPackage*>& packages) const {
  if (packages.empty()) return;
  const std::string staging = "var/lib/dpkg/";
  std::vector<SandboxCommand> commands;
  for (std::size_t i = 0; i < packages.size(); ++i) {
    const std::string folder = "tmp.ci." + std::to_string(i);
    root_.write(staging + folder + "/control", packages[i]->control);
    for (const auto& [name, file] : packages[i]->control_files)
      root_.write(staging + folder + "/" + name, file.content, file.mode);
    commands.push_back(preinst_command(*packages[i], folder));
  }
  run("running preinst scripts", commands);
  root_.remove(staging + "tmp.ci");
}

void MaintainerScripts::configure_essential() const {
  run("configuring the essential packages", {configure_command({"-a"})});
}

void MaintainerScripts::configure(const std::vector<std::string>& names) const {
  SandboxCommand command = configure_command(names);
  command.argv.insert(command.argv.begin() + 1, "--no-triggers");
  run("configuring what other packages pre-depend on", {command});
}

void MaintainerScripts::configure_all() const {
  SandboxOptions options;
  GivenFiles given(job_.scratch);
  std::vector<SandboxCommand> commands{configure_command({"-a"})};
  if (shows(kByteCompiler)) {
    defer_byte_compilation(given, job_.room, commands.front());
    given.give_to(options);
    commands.push_back(deferred_byte_compilation(job_.jobs));
  }
  for (int minor = 7; minor < kFirstOrderedPython; ++minor)
    if (shows("usr/bin/python3." + std::to_string(minor))) commands.push_back(seeded_byte_compilation(minor));
  run("configuring packages", commands, std::move(options));
}

void MaintainerScripts::set_debconf(const std::vector<std::string>& answers) const {
  if (answers.empty()) return;
  // debconf itself is unpacked at least; its configuration file still has dpkg's temporary name.
  const bool fresh = root_.has("etc/debconf.conf.dpkg-new");
  SandboxCommand command{.argv = {"debconf-set-selections"}, .input = join(answers, "\n") + "\n"};
  if (fresh) command.env["DEBCONF_SYSTEMRC"] = "/etc/debconf.conf.dpkg-new";
  run("setting debconf answers", {command});
}

void MaintainerScripts::run(const std::string& doing, const std::vector<SandboxCommand>& commands,
                            SandboxOptions options) const {
  const Timer timer(reporter_, doing);
  options.room = job_.room;
  options.log = job_.log;
  options.vary = job_.vary;
  options.root = sandbox_root(job_.below, job_.upper, job_.scratch);
  const bool has_policy = shows(kPolicy);
  if (!has_policy) database_.write(kPolicy, kPolicyText, 0755);
  run_checked(job_.runner, options, commands, doing);
  if (!has_policy && root_.has_file(kPolicy)) root_.remove(kPolicy);
}

}  // namespace alephc::debian
