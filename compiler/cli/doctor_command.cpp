// SPDX-License-Identifier: MIT
//
// What a build needs of the machine is tried, not guessed: the process that reads archives is started, and a program runs in
// a sandbox as a step's would. Whatever refuses them (capabilities, a seccomp profile, a setting of the kernel) is found, and
// what it says is the row.
#include <array>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.hpp"
#include "base/json.hpp"
#include "base/output_epoch.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "decode/decode.hpp"
#include "guest/guest_files.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/id_range.hpp"
#include "sandbox/privileges.hpp"
#include "sandbox/sandbox.hpp"
#include "sandbox/user_namespace.hpp"
#include "store/store.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

struct Finding {
  std::string name;
  bool ok;
  bool needed;
  std::string text;
};

Finding find_rights() {
  if (::geteuid() != 0) {
    const std::string obstacle = enter_user_namespace();
    return {"root", obstacle.empty(), true,
            obstacle.empty() ? "rootless: steps run in a user namespace of yours"
                             : "not root, and no rootless builds: " + obstacle};
  }
  const std::string missing = missing_capabilities();
  return {"root", missing.empty(), true,
          missing.empty() ? "steps run in namespaces of root"
                          : "root without " + missing + ": start the container with --cap-add for each"};
}

class NoArchive final : public ArchiveSink {
 public:
  void begin_entry(const std::string& /*member*/, Entry /*entry*/) override {}
  void data(std::string_view /*bytes*/) override {}
  void end_entry() override {}
};

/// Throws what a build would throw.
void read_an_archive(const fs::path& folder) {
  atomic_write(folder / "archive.tar", std::string(10240, '\0'));
  NoArchive sink;
  decode_archive(open_file(folder / "archive.tar", O_RDONLY).get(), ArchiveKind::archive, sink);
}

/// The init refuses to be anything but the first process, and ends: that it ran at all is what counts.
void run_a_program(const fs::path& folder) {
  const fs::path lower = folder / "lower";
  for (const char* name :
       {"lower/dev", "lower/etc", "lower/proc", "lower/run", "lower/sys", "lower/tmp", "upper", "scratch"})
    make_folders(folder / name);
  atomic_write(lower / "etc/passwd", "root:x:0:0:root:/:/bin/sh\n");
  atomic_write(lower / "program", compiled_init().bytes, 0755);
  (void)run_in_sandbox({.root = {.lowers = {lower}, .upper = folder / "upper", .scratch = folder / "scratch"},
                        .room = latest_epoch().room,
                        .log = folder / "log"},
                       {{.argv = {"/program"}}});
}

Finding tried(const std::string& name, const std::string& good, const Settings& settings,
              void (*attempt)(const fs::path&)) {
  try {
    const Store store(settings.store);
    attempt(store.make_work_folder().path());
    return {name, true, true, good};
  } catch (const Error& error) {
    const Diagnostic& problem = error.diagnostics().front();
    const bool leads_here = problem.hint.empty() || problem.hint.find("alephc doctor") != std::string::npos;
    return {name, false, true, problem.message + (leads_here ? "" : "; " + problem.hint)};
  }
}

std::vector<Finding> examine(const Settings& settings) {
  std::vector<Finding> findings{find_rights()};
  const bool root = ::geteuid() == 0;
  const bool has_rights = findings.front().ok;
  const auto gpgv = find_program("gpgv");
  findings.push_back({"gpgv", gpgv.has_value(), true, gpgv ? *gpgv : "missing: install gpgv"});
  const bool keyring = ::access("/usr/share/keyrings/debian-archive-keyring.gpg", R_OK) == 0;
  findings.push_back(
      {"keyring", keyring, true,
       keyring ? "debian-archive-keyring" : "missing: install debian-archive-keyring, or set base.keyring"});
  const std::string filesystems = read_file_if_exists("/proc/filesystems").value_or("");
  const bool overlay = filesystems.find("overlay") != std::string::npos;
  findings.push_back({"overlay", overlay, true,
                      overlay ? "the kernel has overlayfs"
                              : "the kernel has no overlayfs: steps after the first cannot run"});
  if (root) {
    const Cgroup probe(64);
    findings.push_back({"cgroup", probe.bounds_processes(), false,
                        probe.bounds_processes()
                            ? "processes and memory of steps are bounded"
                            : "no writable cgroup: a step's processes and memory are not bounded"});
  }
  make_folders(settings.store, 0700);
  if (has_rights) {
    findings.push_back(tried("archives", "are read by a process without rights", settings, read_an_archive));
    findings.push_back(tried("sandbox", "a program ran in one", settings, run_a_program));
  }
  if (root) {
    const std::string shared = why_ids_are_shared(settings.store);
    findings.push_back({"ids", shared.empty(), false,
                        shared.empty() ? "steps run as users that no account of this machine has"
                                       : "steps share the ids of this machine's accounts: " + shared});
  }
  const bool fixed = can_fix_addresses();
  findings.push_back(
      {"addresses", fixed, false,
       fixed ? "programs in steps are loaded at the same addresses in every run"
             : "a filter forbids personality(2): what writes addresses down differs from run to run"});
  const auto slirp = find_program("slirp4netns");
  findings.push_back({"slirp4netns", slirp.has_value(), false,
                      slirp ? *slirp : "missing: install slirp4netns for scripts with network = true"});
  const std::uint64_t space = free_space(settings.store);
  constexpr std::uint64_t kComfortable = 10ULL << 30U;
  findings.push_back({"disk", space > kComfortable, false,
                      human_size(space) + " free for the store in " + settings.store.string()});
  return findings;
}

}  // namespace

CommandAction add_doctor(ArgumentParser& /*parser*/) {
  return [](CommandContext& context) {
    bool usable = true;
    Json json = Json::array();
    std::string out;
    for (const Finding& finding : examine(context.settings)) {
      usable = usable && (finding.ok || !finding.needed);
      json.push_back(
          {{"check", finding.name}, {"ok", finding.ok}, {"needed", finding.needed}, {"text", finding.text}});
      const char* mark = finding.ok ? "ok    " : finding.needed ? "FAIL  " : "warn  ";
      out += mark + finding.name + std::string(finding.name.size() < 10 ? 10 - finding.name.size() : 1, ' ') +
             finding.text + "\n";
    }
    print(context.options.json ? json_text(Json{{"usable", usable}, {"checks", json}}) + "\n" : out);
    return usable ? 0 : static_cast<int>(ErrorKind::host);
  };
}

}  // namespace alephc
