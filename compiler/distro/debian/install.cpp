// SPDX-License-Identifier: MIT
// How a layer of packages is installed. dpkg unpacks one package after the other and syncs each. Here members are decoded
// and unpacked in parallel, dpkg's database is written as dpkg would, and the real dpkg configures everything in the
// sandbox. What runs is in dpkg's order where the order can be seen:
//   1. The Essential packages and all they need: unpacked, their preinst scripts run, configured. This is how every
//      bootstrap of Debian begins.
//   2. Packages that a later preinst may rely on (Pre-Depends): the same.
//   3. The rest: those without a preinst are unpacked, the preinst scripts of the others run, those are unpacked
//      (diversions that the scripts made are honoured), and all are configured.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <map>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/root_folder.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "distro/debian/byte_compilation.hpp"
#include "distro/debian/control.hpp"
#include "distro/debian/database.hpp"
#include "distro/debian/debian.hpp"
#include "distro/debian/unpack.hpp"
#include "distro/device_node.hpp"
#include "sandbox/run_checked.hpp"

namespace alephc::debian {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPolicy = "usr/sbin/policy-rc.d";
constexpr const char* kPolicyText = "#!/bin/sh\nexit 101\n";

std::vector<std::string> names_of(const UnpackedPackage& package, std::string_view field) {
  std::string_view rest = package.control;
  const auto stanza = next_stanza(rest);
  std::vector<std::string> names;
  if (!stanza) return names;
  for (const auto& group : parse_relations(stanza->get(field)))
    for (const Relation& relation : group) names.push_back(relation.name);
  return names;
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

class Installer {
 public:
  Installer(const InstallJob& job, Reporter& reporter)
      : job_(job),
        reporter_(reporter),
        input_(job.input),
        arch_(job.input.arch),
        root_(job.upper),
        database_(job.below, job.upper, arch_),
        decoded_(input_.packages.size(),
                 [this](std::size_t i) { return job_.decode_package(input_.packages[i]); }) {}

  void run() {
    if (input_.is_first) make_skeleton();
    Unpacker unpacker(job_.below, job_.upper, job_.room.time, decoded_, job_.known);
    std::vector<std::size_t> first;
    std::vector<std::size_t> rest;
    for (std::size_t i = 0; i < input_.packages.size(); ++i)
      (input_.is_first && input_.packages[i].bootstrap ? first : rest).push_back(i);
    if (!first.empty()) install_first(unpacker, first, rest);
    if (!rest.empty()) install_rest(unpacker, rest);
    database_.drop_paths(unpacker.lost_paths());
    database_.add_automatic(input_.packages);
    check_configured();
    remove_traces();
  }

 private:
  /// What debootstrap lays down before the first package.
  void make_skeleton() const {
    std::vector<std::string> merged{"bin", "sbin", "lib"};
    if (arch_ == "amd64") merged.emplace_back("lib64");
    for (const std::string& name : merged) {
      make_folders(job_.upper / "usr" / name);
      if (!fs::exists(fs::symlink_status(job_.upper / name)))
        fs::create_directory_symlink("usr/" + name, job_.upper / name);
    }
    for (const char* folder : {"dev/pts", "dev/shm", "proc", "sys", "run", "tmp", "etc", "var/lib/dpkg"})
      make_folders(job_.upper / folder);
    fs::permissions(job_.upper / "tmp", fs::perms(01777));
    make_devices();
    database_.create(input_.architectures);
    database_.write("etc/fstab", "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n");
  }

  void make_devices() const {
    struct Device {
      const char* name;
      unsigned major;
      unsigned minor;
    };
    static constexpr std::array<Device, 8> kDevices{{{"console", 5, 1},
                                                     {"full", 1, 7},
                                                     {"null", 1, 3},
                                                     {"ptmx", 5, 2},
                                                     {"random", 1, 8},
                                                     {"tty", 5, 0},
                                                     {"urandom", 1, 9},
                                                     {"zero", 1, 5}}};
    const fs::path dev = job_.upper / "dev";
    for (const Device& device : kDevices)
      make_device(root_.fd(), std::string("dev/") + device.name, device.major, device.minor, 0666,
                  job_.known);
    static constexpr std::array<std::array<const char*, 2>, 4> kLinks{{{"/proc/self/fd", "fd"},
                                                                       {"/proc/self/fd/0", "stdin"},
                                                                       {"/proc/self/fd/1", "stdout"},
                                                                       {"/proc/self/fd/2", "stderr"}}};
    for (const auto& [target, name] : kLinks) fs::create_symlink(target, dev / name);
  }

  static std::string label_of(const InstallPackage& package) { return package.name + " " + package.version; }

  /// Those that come next, the largest first, while the scripts of the first keep one core busy.
  void decode_ahead(std::vector<std::size_t> members) {
    if (job_.jobs < 2) return;
    std::stable_sort(members.begin(), members.end(), [this](std::size_t a, std::size_t b) {
      return input_.packages[a].size > input_.packages[b].size;
    });
    decoded_.start(std::move(members), job_.jobs);
  }

  std::vector<UnpackedPackage> unpack(Unpacker& unpacker, const std::vector<std::size_t>& members,
                                      bool postpone) {
    std::vector<PackageToUnpack> packages;
    for (const std::size_t i : members) packages.push_back({i, label_of(input_.packages[i])});
    reporter_.progress("install  unpacking " + std::to_string(members.size()) + " packages");
    const Timer timer(reporter_, "unpacking " + std::to_string(members.size()) + " packages");
    std::vector<UnpackedPackage> unpacked = unpacker.unpack(packages, job_.jobs, postpone);
    for (std::size_t k = 0; k < members.size(); ++k)
      if (unpacked[k].name != input_.packages[members[k]].name ||
          unpacked[k].version != input_.packages[members[k]].version)
        throw Error(ErrorKind::integrity,
                    "the package " + packages[k].label + " is not the one that the lock names");
    std::vector<UnpackedPackage> complete;
    for (const UnpackedPackage& package : unpacked)
      if (!package.postponed) complete.push_back(package);
    database_.add_unpacked(complete);
    return unpacked;
  }

  void note_unpacked(bool complete) const {
    if (job_.unpacked) job_.unpacked(complete);
  }

  void install_first(Unpacker& unpacker, const std::vector<std::size_t>& members,
                     const std::vector<std::size_t>& next) {
    const std::vector<UnpackedPackage> unpacked = unpack(unpacker, members, false);
    decode_ahead(next);
    std::vector<const UnpackedPackage*> with_preinst;
    for (const UnpackedPackage& package : unpacked)
      if (package.has_script("preinst")) with_preinst.push_back(&package);
    run_preinsts(with_preinst);
    note_unpacked(false);
    run_scripts("configuring the essential packages", {configure_command({"-a"})});
    unpacker.invalidate();
  }

  void install_rest(Unpacker& unpacker, const std::vector<std::size_t>& members) {
    std::vector<UnpackedPackage> unpacked = unpack(unpacker, members, true);
    note_unpacked(false);
    for (std::size_t k = 0; k < members.size(); ++k) pending_[unpacked[k].name] = unpacked[k];
    set_debconf(unpacker);
    // apt's order has what a package pre-depends on before it.
    std::vector<std::size_t> group;
    for (std::size_t k = 0; k < members.size(); ++k) {
      if (!unpacked[k].postponed) continue;
      const std::vector<std::string> needed = unconfigured_needs(unpacked[k]);
      if (!needed.empty()) {
        unpack_postponed(unpacker, group);
        configure(unpacker, needed);
        group.clear();
      }
      group.push_back(members[k]);
    }
    unpack_postponed(unpacker, group);
    note_unpacked(true);
    reporter_.progress("install  configuring " + std::to_string(members.size()) + " packages");
    configure_all();
    unpacker.invalidate();
  }

  /// Pre-Depends of a package, and what they need in turn,
  /// that this layer brings and nothing has configured yet.
  std::vector<std::string> unconfigured_needs(const UnpackedPackage& package) const {
    std::set<std::string> needs;
    std::vector<std::string> queue = names_of(package, "Pre-Depends");
    while (!queue.empty()) {
      const std::string name = queue.back();
      queue.pop_back();
      const auto it = pending_.find(name);
      if (it == pending_.end() || name == package.name || !needs.insert(name).second) continue;
      for (const char* field : {"Pre-Depends", "Depends"})
        for (const std::string& next : names_of(it->second, field)) queue.push_back(next);
    }
    return {needs.begin(), needs.end()};
  }

  void configure(Unpacker& unpacker, const std::vector<std::string>& names) {
    run_scripts("configuring what other packages pre-depend on", {configure_command(names)});
    for (const std::string& name : names) pending_.erase(name);
    unpacker.invalidate();
  }

  void configure_all() const {
    SandboxOptions options;
    GivenFiles given(job_.scratch);
    std::vector<SandboxCommand> commands{configure_command({"-a"})};
    if (root_.has(kByteCompiler) || job_.below.find(kByteCompiler) != nullptr) {
      defer_byte_compilation(given, job_.room, commands.front());
      given.give_to(options);
      commands.push_back(deferred_byte_compilation(job_.jobs));
    }
    for (int minor = 7; minor < kFirstOrderedPython; ++minor) {
      const std::string python = "usr/bin/python3." + std::to_string(minor);
      if (root_.has(python) || job_.below.find(python) != nullptr)
        commands.push_back(seeded_byte_compilation(minor));
    }
    run_scripts("configuring packages", commands, std::move(options));
  }

  void unpack_postponed(Unpacker& unpacker, const std::vector<std::size_t>& members) {
    if (members.empty()) return;
    std::vector<const UnpackedPackage*> packages;
    for (const std::size_t i : members) packages.push_back(&pending_.at(input_.packages[i].name));
    run_preinsts(packages);
    unpacker.invalidate();
    (void)unpack(unpacker, members, false);
    note_unpacked(false);
  }

  /// As dpkg runs them: from /var/lib/dpkg/tmp.ci, which holds the package's control files. debconf looks for
  /// its templates there and takes the owner of a question from the control file.
  void run_preinsts(const std::vector<const UnpackedPackage*>& packages) const {
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
    run_scripts("running preinst scripts", commands);
    root_.remove(staging + "tmp.ci");
  }

  static SandboxCommand preinst_command(const UnpackedPackage& package, const std::string& folder) {
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

  static SandboxCommand configure_command(const std::vector<std::string>& what) {
    SandboxCommand command{
        .argv = {"dpkg", "--force-unsafe-io", "--force-confdef", "--force-confold", "--configure"}};
    command.argv.insert(command.argv.end(), what.begin(), what.end());
    return command;
  }

  void set_debconf(Unpacker& unpacker) const {
    if (input_.debconf.empty()) return;
    // debconf itself is unpacked at least; its configuration file still has dpkg's temporary name.
    const bool fresh = root_.has("etc/debconf.conf.dpkg-new");
    SandboxCommand command{.argv = {"debconf-set-selections"},
                           .input = join(input_.debconf, "\n") + "\n"};
    if (fresh) command.env["DEBCONF_SYSTEMRC"] = "/etc/debconf.conf.dpkg-new";
    run_scripts("setting debconf answers", {command});
    unpacker.invalidate();
  }

  void run_scripts(const std::string& doing, const std::vector<SandboxCommand>& commands,
                   SandboxOptions options = {}) const {
    const Timer timer(reporter_, doing);
    options.room = job_.room;
    options.log = job_.log;
    options.vary = job_.vary;
    options.root = sandbox_root(job_.below, job_.upper, job_.scratch);
    // Nothing may start a service in there.
    const bool has_policy = root_.has(kPolicy) || job_.below.find(kPolicy) != nullptr;
    if (!has_policy) database_.write(kPolicy, kPolicyText, 0755);
    run_checked(job_.runner, options, commands, doing);
    if (!has_policy && root_.has_file(kPolicy)) root_.remove(kPolicy);
  }

  /// Written by the clock and by inode numbers: with them no two installs would be the same layer.
  void remove_traces() const {
    for (const char* path : kTraces) root_.remove(path);
  }

  void check_configured() const {
    const std::string status = database_.read("var/lib/dpkg/status");
    std::string_view rest = status;
    while (const auto stanza = next_stanza(rest)) {
      if (stanza->get("Status") == "install ok installed") continue;
      throw Error(ErrorKind::failed,
                  "package " + std::string(stanza->get("Package")) + " was left as '" +
                      std::string(stanza->get("Status")) + "'",
                  "the log of the step says more: " + job_.log.string());
    }
  }

  const InstallJob& job_;
  Reporter& reporter_;
  const InstallInput& input_;
  std::string arch_;
  RootFolder root_;
  Database database_;
  DecodedPackages decoded_;
  std::map<std::string, UnpackedPackage> pending_;  ///< of this layer, not known to be configured
};

}  // namespace

void install(const InstallJob& job, Reporter& reporter) {
  Installer(job, reporter).run();
}

}  // namespace alephc::debian
