// SPDX-License-Identifier: MIT
// How a layer of packages is installed: they are decoded in parallel and placed one after the other in apk's
// order, with their scripts where apk runs them: pre-install before a package's files are there, post-install
// before the next package's are, triggers when all are in place. Then apk's database is written as apk would.
#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <set>

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "base/diagnostic.hpp"
#include "base/root_folder.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "distro/alpine/alpine.hpp"
#include "distro/alpine/database.hpp"
#include "distro/alpine/package.hpp"
#include "distro/alpine/placer.hpp"
#include "distro/alpine/sources.hpp"
#include "distro/decoded_packages.hpp"
#include "distro/device_node.hpp"
#include "sandbox/run_checked.hpp"

namespace alephc::alpine {
namespace {

constexpr const char* kExec = "lib/apk/exec";

/// A line of `triggers`: the package's identity and the globs of folders that it wants to hear of.
struct Trigger {
  std::string identity{};
  std::vector<std::string> globs{};
};

std::vector<Trigger> parse_triggers(const std::string& text) {
  std::vector<Trigger> triggers;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = split_words(line);
    if (words.size() > 1) triggers.push_back({words[0], {words.begin() + 1, words.end()}});
  }
  return triggers;
}

std::string triggers_text(const std::vector<Trigger>& triggers) {
  std::string text;
  for (const Trigger& trigger : triggers) text += trigger.identity + " " + join(trigger.globs, " ") + "\n";
  return text;
}

class Installer {
 public:
  Installer(const InstallJob& job, Reporter& reporter)
      : job_(job),
        reporter_(reporter),
        input_(job.input),
        upper_(job.upper),
        root_(job.below, job.upper, job.room.time),
        placer_(root_, job.known),
        decoded_(input_.packages.size(),
                 [this](std::size_t i) { return job_.decode_package(input_.packages[i]); }) {}

  void run() {
    root_.rescan();
    if (input_.is_first) make_skeleton();
    read_database();
    std::vector<std::size_t> order(input_.packages.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (job_.jobs > 1) decoded_.start(std::move(order), job_.jobs - 1);
    reporter_.progress("install  " + std::to_string(input_.packages.size()) + " packages");
    for (std::size_t i = 0; i < input_.packages.size(); ++i) {
      const InstallPackage& package = input_.packages[i];
      with_context("installing " + package.name + " " + package.version,
                   [&] { install_package(package, i); });
    }
    if (job_.unpacked) job_.unpacked(true);
    add_triggers();
    run_scripts();
    placer_.settle_folders();
    write_database();
  }

 private:
  /// What `apk add --initdb` lays down in an empty root.
  void make_skeleton() {
    struct Device {
      const char* name;
      unsigned major;
      unsigned minor;
      mode_t mode;
    };
    static constexpr std::array<Device, 5> kDevices{{{"null", 1, 3, 0666},
                                                     {"zero", 1, 5, 0666},
                                                     {"random", 1, 8, 0666},
                                                     {"urandom", 1, 9, 0666},
                                                     {"console", 5, 1, 0600}}};
    const std::string dev = open_folder("dev", 0755);
    for (const Device& device : kDevices)
      if (const std::string place = dev + "/" + device.name; root_.find(place) == nullptr)
        make_device(root_.root_fd(), place, device.major, device.minor, device.mode, job_.known);
    (void)open_folder("proc", 0555);
    (void)open_folder("tmp", 01777);
    (void)open_folder("var/cache/apk", 0755);
    (void)open_folder("var/cache/misc", 0755);
    write("etc/apk/arch", apk_arch(input_.arch) + "\n");
    write("lib/apk/db/lock", "", 0600);
    root_.rescan();
  }

  /// A folder in the upper, wherever symlinks of the layers below lead.
  std::string open_folder(const std::string& path, mode_t mode) {
    const std::string place = root_.resolve_folder(path, 0);
    root_.ensure_in_upper(place);
    if (::fchmodat(root_.root_fd(), place.c_str(), mode, 0) != 0)
      throw system_error("chmod /" + place, errno);
    return place;
  }

  [[nodiscard]] std::string read_below(const char* path) const {
    const Entry* entry = job_.below.find(job_.below.resolve(path));
    return entry == nullptr ? "" : job_.below.read_content(*entry);
  }

  /// What former layers left.
  void read_database() {
    for (InstalledRecord& record : parse_installed(read_below(kInstalled))) {
      const std::string name(record.get('P'));
      installed_[name] = record.head;
      placer_.add_installed({.name = name,
                             .version = std::string(record.get('V')),
                             .origin = std::string(record.get('o')),
                             .replaces = std::string(record.get('r')),
                             .replaces_priority = parse_unsigned(record.get('q')).value_or(0),
                             .folders = std::move(record.folders)});
    }
    scripts_ = parse_scripts_tar(read_below(kScripts));
    triggers_ = parse_triggers(read_below(kTriggers));
  }

  void install_package(const InstallPackage& package, std::size_t i) {
    const std::shared_ptr<const DecodedArchive> archive = decoded_.get(i);
    const TraceSpan span("install", package.name);
    check_identity(package, *archive);
    const PackageInfo info = info_of(*archive);
    if (info.name != package.name || info.version != package.version)
      throw Error(ErrorKind::integrity, "the package is not the one that the lock names");
    // apk takes nothing out of a package that says it installs nothing, not even its scripts.
    if (parse_unsigned(info.installed_size).value_or(0) == 0) {
      decoded_.forget(i);
      installed_[package.name] =
          index_entry(info, package.identity, package.arch, package.size) + tag_line(package);
      placer_.add_installed({.name = info.name, .version = info.version, .origin = info.origin});
      return;
    }
    add_scripts(package, info, *archive);
    queue_script(package, "pre-install");
    run_scripts();
    placer_.place({.name = info.name,
                   .version = info.version,
                   .origin = info.origin,
                   .replaces = join(info.replaces, " "),
                   .replaces_priority = parse_unsigned(info.replaces_priority).value_or(0)},
                  *archive);
    decoded_.forget(i);
    installed_[package.name] = head_of(package, info);
    if (!info.triggers.empty()) triggers_.push_back({package.identity, info.triggers});
    queue_script(package, "post-install");
  }

  static void check_identity(const InstallPackage& package, const DecodedArchive& archive) {
    if (identity_of(archive.control_sha1) != package.identity)
      throw Error(ErrorKind::integrity, "the package has another identity than the signed index gives it");
  }

  static PackageInfo info_of(const DecodedArchive& archive) {
    const DecodedEntry* found = nullptr;
    for (const DecodedEntry& decoded : archive.entries) {
      if (decoded.member != "control" || decoded.entry.path != ".PKGINFO") continue;
      if (found != nullptr) throw Error(ErrorKind::integrity, "the package has two .PKGINFO");
      found = &decoded;
    }
    if (found == nullptr) throw Error(ErrorKind::integrity, "the package has no .PKGINFO");
    PackageInfo info = parse_package_info(found->text);
    check_data(info, archive.data_sha256);
    return info;
  }

  static std::string head_of(const InstallPackage& package, const PackageInfo& info) {
    std::string head = index_entry(info, package.identity, package.arch, package.size);
    if (!info.replaces.empty()) head += "r:" + join(info.replaces, " ") + "\n";
    if (parse_unsigned(info.replaces_priority).value_or(0) != 0) head += "q:" + info.replaces_priority + "\n";
    return head + tag_line(package);
  }

  static std::string tag_line(const InstallPackage& package) {
    return package.tag.empty() ? "" : "s:" + package.tag + "\n";
  }

  /// In the order of their types, as apk keeps them.
  void add_scripts(const InstallPackage& package, const PackageInfo& info, const DecodedArchive& archive) {
    static constexpr std::array kTypes{"pre-install", "post-install", "pre-deinstall", "post-deinstall",
                                       "pre-upgrade", "post-upgrade", "trigger"};
    for (const std::string type : kTypes) {
      const DecodedEntry* script = nullptr;  // the last one counts
      for (const DecodedEntry& decoded : archive.entries)
        if (decoded.member == "control" && decoded.entry.path == "." + type) script = &decoded;
      if (script == nullptr) continue;
      scripts_.push_back({.package = package.name + "-" + package.version,
                          .identity = package.identity,
                          .type = type,
                          .text = script->text,
                          .time = info.built()});
    }
  }

  void queue_script(const InstallPackage& package, const std::string& type) {
    for (const Script& script : scripts_)
      if (script.identity == package.identity && script.type == type) queue(script, {package.version});
  }

  void queue(const Script& script, std::vector<std::string> arguments) {
    const std::string path = std::string(kExec) + "/" + script.package + "." + script.type;
    SandboxCommand command{.argv = {path}};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    commands_.push_back(std::move(command));
    programs_.push_back({path, script.text});
  }

  /// Once all files are there: for each trigger the folders of all packages that it wants to hear of. Those
  /// of former layers hear of this layer's packages only.
  void add_triggers() {
    const std::size_t before = placer_.packages().size() - input_.packages.size();
    for (const Trigger& trigger : triggers_) {
      const bool is_new =
          std::any_of(input_.packages.begin(), input_.packages.end(),
                      [&](const InstallPackage& each) { return each.identity == trigger.identity; });
      std::set<std::string> folders;
      for (std::size_t i = is_new ? 0 : before; i < placer_.packages().size(); ++i)
        for (const InstalledFolder& folder : placer_.packages()[i].folders)
          for (const std::string& glob : trigger.globs)
            if (::fnmatch(glob.c_str(), ("/" + folder.path).c_str(), FNM_PATHNAME) == 0)
              folders.insert("/" + folder.path);
      if (folders.empty()) continue;
      for (const Script& script : scripts_)
        if (script.identity == trigger.identity && script.type == "trigger")
          queue(script, {folders.begin(), folders.end()});
    }
  }

  void run_scripts() {
    if (commands_.empty()) return;
    placer_.settle_folders();
    const std::string exec = open_folder(kExec, 0700);
    for (const auto& [path, text] : programs_) write(path, text, 0755);
    const SandboxOptions options{
        .root = sandbox_root(job_.below, job_.upper, job_.scratch), .room = job_.room, .log = job_.log, .vary = job_.vary};
    run_checked(job_.runner, options, commands_, "running " + join(names_of_scripts(), ", "));
    // Whatever the scripts made of the folders, nothing outside of the root is removed.
    for (const auto& [path, text] : programs_) upper_.remove(exec + "/" + base_name(path));
    commands_.clear();
    programs_.clear();
    root_.rescan();
    placer_.forget_accounts();
  }

  [[nodiscard]] std::vector<std::string> names_of_scripts() const {
    std::vector<std::string> names;
    for (const auto& [path, text] : programs_) names.push_back(base_name(path));
    return names;
  }

  void write(const std::string& path, const std::string& content, mode_t mode = 0644) {
    const std::string folder = root_.resolve_folder(parent_path(path), 0);
    root_.ensure_in_upper(folder);
    upper_.write(folder + "/" + base_name(path), content, mode);
  }

  void write_database() {
    // By name, as apk sorts it; what lost a file to a later package has it no more.
    std::map<std::string, InstalledRecord> sorted;
    for (const PlacedPackage& package : placer_.packages())
      sorted[package.name] = {.head = installed_.at(package.name), .folders = package.folders};
    std::vector<InstalledRecord> records;
    for (auto& [name, record] : sorted) records.push_back(std::move(record));
    write(kInstalled, installed_text(records));
    write(kScripts, scripts_tar(scripts_));
    write(kTriggers, triggers_text(triggers_));
    write(kWorld, join(input_.requests, "\n") + "\n");
  }

  const InstallJob& job_;
  Reporter& reporter_;
  const InstallInput& input_;
  RootFolder upper_;
  RootModel root_;
  Placer placer_;
  DecodedPackages decoded_;
  std::map<std::string, std::string> installed_;  ///< lines of `installed` before the folders, by package
  std::vector<Script> scripts_;
  std::vector<Trigger> triggers_;
  std::vector<SandboxCommand> commands_;                       ///< to be run before the next file is placed
  std::vector<std::pair<std::string, std::string>> programs_;  ///< their path and text
};

}  // namespace

void install(const InstallJob& job, Reporter& reporter) {
  Installer(job, reporter).run();
}

}  // namespace alephc::alpine
