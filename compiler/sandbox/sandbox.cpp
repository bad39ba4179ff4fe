// SPDX-License-Identifier: MIT
#include "sandbox/sandbox.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/text.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/mounts.hpp"
#include "sandbox/privileges.hpp"
#include "sandbox/variation.hpp"
#include "tree/tree.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr int kStatusFd = 3;

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups{};
};

/// From the image's own files; libc's getpwnam would load the image's NSS modules into this process.
std::optional<Account> find_account(const std::string& user) {
  Account account;
  bool found = false;
  for (const std::string& line : split(read_file_if_exists("/etc/passwd").value_or(""), '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() < 4 || fields[0] != user) continue;
    account.uid = static_cast<uid_t>(parse_unsigned(fields[2]).value_or(65534));
    account.gid = static_cast<gid_t>(parse_unsigned(fields[3]).value_or(65534));
    found = true;
  }
  if (!found) return user == "root" ? std::optional(Account{}) : std::nullopt;
  for (const std::string& line : split(read_file_if_exists("/etc/group").value_or(""), '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() < 4) continue;
    for (const std::string& member : split(fields[3], ','))
      if (member == user)
        account.groups.push_back(static_cast<gid_t>(parse_unsigned(fields[2]).value_or(65534)));
  }
  return account;
}

UniqueFd input_of(const SandboxCommand& command) {
  if (command.input.empty()) return open_file("/dev/null", O_RDONLY);
  UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  if (!fd) throw system_error("make a memory file", errno);
  write_all(fd.get(), command.input);
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

[[noreturn]] void exec_command(const SandboxCommand& command, int root_fd, const SandboxOptions& options) {
  if (::fchdir(root_fd) != 0 || ::chroot(".") != 0) ::_exit(126);
  const std::optional<Account> account = find_account(command.user);
  if (!account) {
    write_all(2, "there is no user '" + command.user + "' in the image\n");
    ::_exit(126);
  }
  if (!options.interactive) {
    ::setsid();
    ::dup2(input_of(command).get(), 0);
  }
  if (::setgroups(account->groups.size(), account->groups.data()) != 0 || ::setgid(account->gid) != 0 ||
      ::setuid(account->uid) != 0)
    ::_exit(126);
  std::map<std::string, std::string> env = sandbox_environment();
  if (options.vary.any()) env["LD_PRELOAD"] = variation_preload(options.vary);
  for (const auto& [name, value] : command.env) env[name] = value;
  std::vector<std::string> texts;
  for (const auto& [name, value] : env) texts.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& text : texts) environment.push_back(text.data());
  environment.push_back(nullptr);
  std::vector<std::string> words = command.argv;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::umask(022);
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  ::execvpe(argv[0], argv.data(), environment.data());
  const std::string message = "cannot run " + words[0] + ": " + std::strerror(errno) + "\n";
  write_all(2, message);
  ::_exit(127);
}

/// PID 1 of the sandbox: starts one command, reaps everything, returns how the command ended.
int run_and_reap(const SandboxCommand& command, int root_fd, const SandboxOptions& options) {
  const pid_t child = ::fork();
  if (child < 0) return 125;
  if (child == 0) exec_command(command, root_fd, options);
  for (;;) {
    int status = 0;
    const pid_t ended = ::wait(&status);
    if (ended < 0 && errno != EINTR) return 125;
    if (ended == child) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
}

void report(const std::string& text) {
  write_all(kStatusFd, text);
}

/// Gives PID 1 another root than the commands have. Scripts find out that way that they run in a chroot,
/// where there is no init to be told anything and to be waited for.
UniqueFd leave_root() {
  UniqueFd root = open_file("/", O_PATH | O_DIRECTORY);
  if (::chroot("/dev/shm") != 0 || ::chdir("/") != 0) throw system_error("leave the sandbox's root", errno);
  return root;
}

[[noreturn]] void sandbox_main(const SandboxOptions& options, const std::vector<SandboxCommand>& commands) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    if (!options.network) raise_loopback();
    if (::sethostname("alephc", 6) != 0) throw system_error("set the host name", errno);
    ::umask(022);
    enter_root(options);
    set_limits(options.limits);
    ::syscall(SYS_close_range, kStatusFd + 1U, ~0U, 0U);
    install_seccomp_filter();
    drop_capabilities();
    const UniqueFd root = leave_root();
    for (std::size_t i = 0; i < commands.size(); ++i) {
      const int code = run_and_reap(commands[i], root.get(), options);
      if (code == 0) continue;
      report("failed " + std::to_string(i) + " " + std::to_string(code));
      ::_exit(0);
    }
    report("ok");
  } catch (const std::exception& error) {
    report(std::string("setup ") + error.what());
  }
  ::_exit(0);
}

/// The process between alephc and PID 1: only it can be in the new pid namespace's parent.
[[noreturn]] void outer_main(const SandboxOptions& options, const std::vector<SandboxCommand>& commands,
                             const Cgroup& cgroup, int log_fd, int status_fd) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!options.interactive) ::setsid();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
  if (options.interactive) ::signal(SIGINT, SIG_IGN);
  if (log_fd >= 0) {
    ::dup2(log_fd, 1);
    ::dup2(log_fd, 2);
  }
  ::dup2(status_fd, kStatusFd);
  cgroup.enter();
  const int flags =
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | (options.network ? 0 : CLONE_NEWNET);
  if (::unshare(flags) != 0) {
    report(std::string("setup cannot make namespaces: ") + std::strerror(errno));
    ::_exit(0);
  }
  const pid_t child = ::fork();
  if (child == 0) sandbox_main(options, commands);
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) report("killed " + std::to_string(WTERMSIG(status)));
  ::_exit(0);
}

/// Watches what the step writes, because no quota binds a folder of the store.
class DiskWatch {
 public:
  explicit DiskWatch(const SandboxOptions& options)
      : limits_(options.limits), folder_(options.root.upper), free_before_(free_space(folder_)) {}

  [[nodiscard]] std::string problem() const {
    const std::uint64_t now = free_space(folder_);
    if (now < limits_.disk_reserve) return "the disk of the store is full";
    if (now < free_before_ && free_before_ - now > limits_.disk_bytes)
      return "the step wrote more than " + human_size(limits_.disk_bytes);
    return {};
  }

 private:
  const SandboxLimits& limits_;
  fs::path folder_;
  std::uint64_t free_before_;
};

SandboxResult parse_report(const std::string& text) {
  SandboxResult result;
  const std::vector<std::string> words = split(text, ' ');
  if (text == "ok") {
    result.ok = true;
  } else if (words[0] == "failed" && words.size() == 3) {
    result.command = parse_unsigned(words[1]).value_or(0);
    result.exit_code = static_cast<int>(parse_unsigned(words[2]).value_or(1));
    result.reason = result.exit_code > 128 ? std::string("killed by ") + ::strsignal(result.exit_code - 128)
                                           : "exit code " + std::to_string(result.exit_code);
  } else if (text.starts_with("setup ")) {
    throw Error(ErrorKind::host, "cannot set up the sandbox: " + text.substr(6),
                "'alephc doctor' explains what it needs");
  } else {
    result.exit_code = 137;
    result.reason = "the sandbox was killed";
  }
  return result;
}

void kill_and_wait(pid_t child) {
  // PID 1 of the sandbox dies with its parent, and everything in the namespace with it; its end is awaited
  // through the status pipe, which every process of the sandbox would hold open otherwise.
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::map<std::string, std::string> sandbox_environment() {
  return {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
          {"HOME", "/root"},
          {"LC_ALL", "C.UTF-8"},
          {"TZ", "UTC"},
          {"PYTHONHASHSEED", "0"},
          {"DEBIAN_FRONTEND", "noninteractive"},
          {"DEBCONF_NONINTERACTIVE_SEEN", "true"},
          {"SOURCE_DATE_EPOCH", std::to_string(kStepTime)},
          {"TERM", "dumb"}};
}

SandboxResult run_in_sandbox(const SandboxOptions& options, const std::vector<SandboxCommand>& commands) {
  const Cgroup cgroup(options.limits.processes);
  const DiskWatch watch(options);
  UniqueFd log;
  if (!options.log.empty()) log = open_file(options.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  Pipe status = make_pipe();
  const pid_t child = ::fork();
  if (child < 0) throw system_error("start the sandbox", errno);
  if (child == 0) outer_main(options, commands, cgroup, log.get(), status.write.get());
  status.write.reset();
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    pollfd poll_fd{status.read.get(), POLLIN, 0};
    const int ready = ::poll(&poll_fd, 1, 100);
    if (ready > 0) {
      const std::size_t got = read_some(status.read.get(), buffer);
      if (got == 0) break;
      text.append(buffer.data(), got);
      continue;
    }
    const std::string problem = watch.problem();
    if (problem.empty() && (options.interactive || !interrupted())) continue;
    kill_and_wait(child);
    while (read_some(status.read.get(), buffer) > 0) {
    }
    throw_if_interrupted();
    return {.exit_code = 137, .reason = problem};
  }
  kill_and_wait(child);
  return parse_report(text);
}

SandboxRoot sandbox_root(const Tree& tree, const std::filesystem::path& upper,
                         const std::filesystem::path& scratch) {
  SandboxRoot root{.upper = upper, .scratch = scratch};
  const auto& layers = tree.layers();
  for (auto it = layers.rbegin(); it != layers.rend(); ++it) root.lowers.push_back((*it)->folder);
  return root;
}

}  // namespace alephc
