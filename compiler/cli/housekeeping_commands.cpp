// SPDX-License-Identifier: MIT
#include <sys/utsname.h>
#include <unistd.h>

#include "base/files.hpp"
#include "base/json.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "cli/schemas.hpp"
#include "cli/version.hpp"
#include "image/image_format.hpp"
#include "manifest/schema.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/id_range.hpp"
#include "sandbox/user_namespace.hpp"
#include "store/collect.hpp"

namespace alephc {
namespace {

/// "30d", "12h", "90m", "45s" → seconds.
std::uint64_t parse_duration(const std::string& text) {
  const std::string units = "smhd";
  const std::uint64_t factors[] = {1, 60, 3600, 86400};
  const std::size_t unit = text.empty() ? std::string::npos : units.find(text.back());
  const auto number = unit == std::string::npos
                          ? std::nullopt
                          : parse_unsigned(std::string_view(text).substr(0, text.size() - 1));
  if (!number || *number > 100000000)
    throw Error(ErrorKind::usage, "'" + text + "' is not a duration such as 30d or 12h");
  return *number * factors[unit];
}

struct Finding {
  std::string name;
  bool ok;
  bool needed;
  std::string text;
};

std::vector<Finding> examine(const Settings& settings) {
  std::vector<Finding> findings;
  const bool root = ::geteuid() == 0;
  const std::string obstacle = root ? "" : enter_user_namespace();
  const std::string how =
      root ? "steps run in namespaces of root" : "rootless: steps run in a user namespace of yours";
  findings.push_back({"root", obstacle.empty(), true,
                      obstacle.empty() ? how : "not root, and no rootless builds: " + obstacle});
  for (const char* program : {"apt-get", "gpgv"}) {
    const bool found = find_program(program).has_value();
    findings.push_back(
        {program, found, true,
         found ? *find_program(program)
               : "missing: install " + std::string(program == std::string("gpgv") ? "gpgv" : "apt")});
  }
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
  if (root) {
    const std::string shared = why_ids_are_shared(settings.store);
    findings.push_back({"ids", shared.empty(), false,
                        shared.empty() ? "steps run as users that no account of this machine has"
                                       : "steps share the ids of this machine's accounts: " + shared});
  }
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

CommandAction add_gc(ArgumentParser& parser) {
  struct Arguments {
    std::string max_size{};
    std::string older_than{};
  };
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("--max-size", arguments->max_size, "Forget the oldest builds until the store fits")
      .value_name("SIZE");
  parser.add_option("--older-than", arguments->older_than, "Keep what is younger, used or not")
      .value_name("DURATION");
  return [arguments](CommandContext& context) {
    CollectOptions options;
    if (!arguments->max_size.empty()) {
      options.max_size = parse_size(arguments->max_size);
      if (!options.max_size)
        throw Error(ErrorKind::usage, "'" + arguments->max_size + "' is not a size such as 20G");
    }
    if (!arguments->older_than.empty()) options.older_than_seconds = parse_duration(arguments->older_than);
    const CollectResult result = collect_garbage(context.settings.store, options);
    if (context.options.json)
      print(json_text(Json{{"removed_bytes", result.removed_bytes},
                           {"removed_entries", result.removed_entries},
                           {"kept_bytes", result.kept_bytes}}) +
            "\n");
    else
      print("removed " + std::to_string(result.removed_entries) + " entries (" +
            human_size(result.removed_bytes) + "), kept " + human_size(result.kept_bytes) + "\n");
    return 0;
  };
}

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

CommandAction add_schema(ArgumentParser& parser) {
  auto which = std::make_shared<std::string>("runtime");
  parser.add_option("KIND", *which, "Which schema").one_of({"runtime", "lock", "receipt"});
  return [which](CommandContext& /*context*/) {
    // From the key table itself, so that what is printed is what is parsed.
    print(*which == "runtime" ? runtime_schema() : std::string(published_schema(*which)));
    return 0;
  };
}

CommandAction add_version(ArgumentParser& /*parser*/) {
  return [](CommandContext& context) {
    if (context.options.json) {
      print(json_text(Json{{"alephc", version()},
                           {"epoch", latest_epoch().id.number},
                           {"draft", latest_epoch().id.draft},
                           {"tools", image_tools()}}) +
            "\n");
      return 0;
    }
    print("alephc " + std::string(version()) + " (" + latest_epoch().id.text() + ")\n" +
          join(image_tools(), "\n") + "\n");
    return 0;
  };
}

}  // namespace alephc
