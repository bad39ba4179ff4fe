// SPDX-License-Identifier: MIT
#include "sandbox/user_namespace.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <pwd.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kIds = 65536;

std::string user_name() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry == nullptr ? std::to_string(::getuid()) : entry->pw_name;
}

/// Start of the user's first range with enough ids, from "name:start:count" lines.
std::optional<std::uint64_t> range_in(const char* file) {
  const std::string name = user_name();
  for (const std::string& line : split(read_file_if_exists(file).value_or(""), '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() != 3 || (fields[0] != name && fields[0] != std::to_string(::getuid()))) continue;
    const auto start = parse_unsigned(fields[1]);
    const auto count = parse_unsigned(fields[2]);
    if (start && count && *count >= kIds - 1) return start;
  }
  return std::nullopt;
}

std::string missing_range(const char* file, const char* option) {
  return "the user " + user_name() + " has no range of 65536 ids in " + file + ": as root, usermod " +
         option + " 100000-165535 " + user_name();
}

/// The setting that forbids user namespaces, with its remedy.
std::string why_forbidden(int problem) {
  struct Switch {
    const char* file;
    const char* forbids;
    const char* remedy;
  };
  static constexpr std::array<Switch, 3> kSwitches{
      {{"/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"},
       {"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"},
       {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}}};
  for (const Switch& each : kSwitches)
    if (trim(read_file_if_exists(each.file).value_or("")) == each.forbids)
      return std::string(each.file) + " is " + each.forbids + ": as root, " + each.remedy;
  return std::string("the kernel allows no user namespace here: ") + std::strerror(problem);
}

bool map_ids(const std::string& program, pid_t process, std::uint64_t own, std::uint64_t start) {
  const CommandResult result =
      run_command({.argv = {program, std::to_string(process), "0", std::to_string(own), "1", "1",
                            std::to_string(start), std::to_string(kIds - 1)}});
  return result.exit_code == 0;
}

}  // namespace

std::string enter_user_namespace() {
  const auto uids = range_in("/etc/subuid");
  const auto gids = range_in("/etc/subgid");
  if (!uids) return missing_range("/etc/subuid", "--add-subuids");
  if (!gids) return missing_range("/etc/subgid", "--add-subgids");
  const auto map_uids = find_program("newuidmap");
  const auto map_gids = find_program("newgidmap");
  if (!map_uids || !map_gids) return "newuidmap and newgidmap are missing: install uidmap";
  const pid_t self = ::getpid();
  const uid_t user = ::getuid();
  const gid_t group = ::getgid();
  // Only a process outside may write the maps, and only once the namespace is there.
  Pipe made = make_pipe();
  const pid_t helper = ::fork();
  if (helper < 0) return std::string("cannot start a process: ") + std::strerror(errno);
  if (helper == 0) {
    try {
      made.write.reset();
      std::array<char, 1> byte{};
      if (read_some(made.read.get(), byte) == 0) ::_exit(1);
      ::_exit(map_ids(*map_uids, self, user, *uids) && map_ids(*map_gids, self, group, *gids) ? 0 : 2);
    } catch (...) {
      ::_exit(2);
    }
  }
  const bool unshared = ::unshare(CLONE_NEWUSER) == 0;
  const int problem = errno;
  if (unshared) write_all(made.write.get(), "x");
  made.write.reset();
  int status = 0;
  while (::waitpid(helper, &status, 0) < 0 && errno == EINTR) {
  }
  if (!unshared) return why_forbidden(problem);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return "newuidmap or newgidmap refused the user's range";
  if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)
    return std::string("cannot become root of the user namespace: ") + std::strerror(errno);
  refresh_identity();
  return {};
}

}  // namespace alephc
