// SPDX-License-Identifier: MIT
//
// Three processes make a sandbox:
//   alephc          carries what the commands print and watches disk, time and Ctrl-C (Room)
//   outer process   enters the cgroup and the new namespaces; a pid namespace begins with its first child
//   PID 1           builds the root, takes its own rights away and becomes the program of compiler/room/
// Everything inside dies with PID 1, PID 1 with the outer process, and that one with alephc.
//
// The order inside PID 1 matters. The root is mounted with the rights of the machine's root. Then the user namespace is
// entered, then the filter is loaded, for which the capabilities of that namespace are needed, then those are dropped.
// The exec comes last: up to there the process has alephc's memory, environment and descriptors, and no command runs.
#include "sandbox/sandbox.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/interrupt.hpp"
#include "base/text.hpp"
#include "guest/guest_files.hpp"
#include "room/job.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/host_names.hpp"
#include "sandbox/id_range.hpp"
#include "sandbox/mounts.hpp"
#include "sandbox/network.hpp"
#include "sandbox/preload.hpp"
#include "sandbox/privileges.hpp"
#include "sandbox/streams.hpp"
#include "tree/tree.hpp"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostStatus = 4096;  // of what PID 1 reports
constexpr int kWatchMilliseconds = 100;

/// The job for PID 1, with the whole environment of each command.
std::string encode_job(const SandboxOptions& options, const std::vector<SandboxCommand>& commands) {
  room::Job job{.inherits_streams = options.interactive};
  for (const SandboxCommand& command : commands) {
    std::map<std::string, std::string> env = options.room.variables();
    if (const std::string preload = preload_variable(options); !preload.empty()) env["LD_PRELOAD"] = preload;
    for (const auto& [name, value] : command.env) env[name] = value;
    room::Command& each = job.commands.emplace_back(
        room::Command{.argv = command.argv, .input = command.input, .user = command.user});
    for (const auto& [name, value] : env) each.environment.push_back(name + "=" + value);
  }
  return room::encode(job);
}

/// A file in memory that cannot be changed any more.
UniqueFd sealed_file(const char* name, std::string_view bytes) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (!fd && errno == EINVAL) fd = UniqueFd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw system_error("make a memory file", errno);
  write_all(fd.get(), bytes);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0 ||
      ::lseek(fd.get(), 0, SEEK_SET) != 0)
    throw system_error("seal a memory file", errno);
  return fd;
}

/// Everything that the processes inside are made from; made before them, so that what fails is an ordinary error.
struct Plan {
  const SandboxOptions& options;
  const PrivateNetwork& network;
  const Cgroup& cgroup;
  const IdRange* ids;  ///< null: the ids on disk
  pid_t parent;        ///< this process
  UniqueFd job;
  UniqueFd program;
  UniqueFd terminal_socket{};  ///< for the master end of the sandbox's terminal; empty without one
  Streams::RoomEnds streams{};
  UniqueFd status{};  ///< write end
  UniqueFd outer{};   ///< for PID 1: ends when the outer process does
};

void report(int fd, const std::string& text) {
  write_all(fd, text.substr(0, kMostStatus));
}

/// A terminal from the sandbox's own devpts, so that its name means something inside.
UniqueFd open_terminal(int socket, const IdRange* ids) {
  const UniqueFd master = open_file("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  std::array<char, 64> name{};
  if (::unlockpt(master.get()) != 0 || ::ptsname_r(master.get(), name.data(), name.size()) != 0)
    throw system_error("make a terminal", errno);
  UniqueFd slave = open_file(name.data(), O_RDWR | O_NOCTTY);
  if (ids != nullptr && ::fchown(slave.get(), ids->start(), ids->start()) != 0)
    throw system_error("make a terminal", errno);
  send_descriptor(socket, master.get());
  return slave;
}

void enter_user_namespace_of(const IdRange& ids) {
  if (::setns(ids.user_namespace(), CLONE_NEWUSER) != 0) throw system_error("enter the user namespace", errno);
  if (::setgroups(0, nullptr) != 0 || ::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)
    throw system_error("become root of the user namespace", errno);
}

constexpr unsigned long kAskPersona = 0xffffffffUL;

bool set_persona(int persona) {
  return persona >= 0 && ::personality(static_cast<unsigned long>(persona)) >= 0;
}

/// Programs that write addresses down, as dumps of an interpreter do, write the same ones in every run. The filter of a
/// container may forbid it, which 'alephc doctor' says.
void fix_addresses() {
  (void)set_persona(::personality(kAskPersona) | ADDR_NO_RANDOMIZE);
}

/// PID 1 gets another root than the commands have. Scripts find out that way that they run in a chroot, where there is no
/// init to be told anything and to be waited for.
void leave_root() {
  if (::chroot("/dev/shm") != 0 || ::chdir("/") != 0) throw system_error("leave the sandbox's root", errno);
}

/// Puts descriptors where the program expects them and closes every other.
void place_descriptors(std::vector<std::pair<UniqueFd, int>> wanted) {
  constexpr int kAbove = 100;
  std::vector<std::pair<UniqueFd, int>> moved;
  for (const auto& [fd, place] : wanted)
    moved.emplace_back(UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kAbove)), place);
  // Before the places are taken: an old number may be one of them, and would be closed with its owner.
  wanted.clear();
  for (const auto& [fd, place] : moved)
    if (!fd || ::dup2(fd.get(), place) < 0) throw system_error("set up the descriptors of PID 1", errno);
}

[[noreturn]] void become_program(Plan& plan, UniqueFd root, UniqueFd terminal) {
  constexpr int kProgram = 8;
  std::vector<std::pair<UniqueFd, int>> wanted;
  const bool has_terminal = static_cast<bool>(terminal);
  wanted.emplace_back(std::move(plan.status), room::kStatusFd);
  wanted.emplace_back(std::move(plan.job), room::kJobFd);
  wanted.emplace_back(std::move(root), room::kRootFd);
  wanted.emplace_back(std::move(plan.outer), room::kOuterFd);
  if (has_terminal) wanted.emplace_back(std::move(terminal), room::kTerminalFd);
  wanted.emplace_back(std::move(plan.program), kProgram);
  place_descriptors(std::move(wanted));
  if (!has_terminal) ::close(room::kTerminalFd);
  ::fcntl(kProgram, F_SETFD, FD_CLOEXEC);
  ::syscall(SYS_close_range, kProgram + 1U, ~0U, 0U);
  std::string name = "init";
  std::array<char*, 2> argv{name.data(), nullptr};
  std::array<char*, 1> environment{nullptr};
  ::syscall(SYS_execveat, kProgram, "", argv.data(), environment.data(), AT_EMPTY_PATH);
  report(room::kStatusFd, std::string("setup cannot start PID 1: ") + std::strerror(errno));
  ::_exit(0);
}

/// A change of user takes PR_SET_PDEATHSIG back, so it is set after the last one; until then nothing of the image runs.
/// outer is the read end of a pipe that ends with the outer process.
void end_with(int outer) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pollfd event{outer, 0, 0};
  if (::poll(&event, 1, 0) != 0) ::_exit(1);
}

[[noreturn]] void first_process_main(Plan& plan, UniqueFd outer) {
  end_with(outer.get());
  try {
    const std::string& host_name = plan.options.room.host_name;
    if (::sethostname(host_name.data(), host_name.size()) != 0) throw system_error("set the host name", errno);
    ::umask(022);
    if (plan.options.room.fixed_addresses) fix_addresses();
    enter_root(plan.options, plan.ids);
    set_limits(plan.options.limits);
    UniqueFd root = open_file("/", O_PATH | O_DIRECTORY);
    UniqueFd terminal;
    if (plan.terminal_socket) terminal = open_terminal(plan.terminal_socket.get(), plan.ids);
    if (plan.ids != nullptr) enter_user_namespace_of(*plan.ids);
    install_seccomp_filter();
    drop_capabilities();
    leave_root();
    end_with(outer.get());
    plan.outer = std::move(outer);
    become_program(plan, std::move(root), std::move(terminal));
  } catch (const std::exception& error) {
    report(plan.status.get(), std::string("setup ") + error.what());
  }
  ::_exit(0);
}

/// SIGCHLD, and SIGTERM by which alephc asks for an end: both are blocked and waited for.
sigset_t outer_signals() {
  sigset_t set{};
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  ::sigaddset(&set, SIGTERM);
  return set;
}

/// Until PID 1 has ended, by itself or because alephc asks. The kernel reports its end after that of every other process
/// of the namespace, so nothing of the sandbox runs any more. Returns the wait status.
int wait_for_first_process(pid_t child) {
  const sigset_t set = outer_signals();
  for (;;) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return status;
    if (::sigwaitinfo(&set, nullptr) == SIGTERM) ::kill(child, SIGKILL);
  }
}

/// The process between alephc and PID 1. outer_signals() are blocked when it starts.
[[noreturn]] void outer_main(Plan& plan, Streams& streams_outside) {
  streams_outside.close_outside();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(0);
  ::setsid();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
  const Streams::RoomEnds streams = std::move(plan.streams);
  ::dup2(streams.in.get(), 0);
  ::dup2(streams.out.get(), 1);
  ::dup2(streams.err.get(), 2);
  plan.cgroup.enter();
  const int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
  if (::setns(plan.network.fd(), CLONE_NEWNET) != 0 || ::unshare(flags) != 0) {
    report(plan.status.get(), std::string("setup cannot make namespaces: ") + std::strerror(errno));
    ::_exit(0);
  }
  Pipe alive = make_pipe();
  const pid_t child = ::fork();
  if (child == 0) {
    alive.write.reset();
    const sigset_t set = outer_signals();
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
    first_process_main(plan, std::move(alive.read));
  }
  if (child < 0) {
    report(plan.status.get(), std::string("setup cannot start a process: ") + std::strerror(errno));
    ::_exit(0);
  }
  alive.read.reset();
  const int status = wait_for_first_process(child);
  if (WIFSIGNALED(status)) report(plan.status.get(), "killed " + std::to_string(WTERMSIG(status)));
  ::_exit(0);
}

/// Watches what the step takes of the host's disk and time, because no quota binds a folder of the store.
class Watch {
 public:
  explicit Watch(const SandboxOptions& options)
      : limits_(options.limits),
        timed_(!options.interactive),
        folder_(options.root.upper),
        free_before_(free_space(folder_)) {}

  /// Why the step has to end; nothing if it may go on.
  [[nodiscard]] std::optional<SandboxResult> problem() const {
    const std::uint64_t now = free_space(folder_);
    if (now < limits_.disk_reserve) return ended("the disk of the store is full", true);
    if (has_few_files()) return ended("the filesystem of the store has no room for more files", true);
    if (now < free_before_ && free_before_ - now > limits_.disk_bytes)
      return ended("the step wrote more than " + human_size(limits_.disk_bytes), false);
    if (timed_ && Clock::now() - start_ > std::chrono::seconds(limits_.seconds))
      return ended("the step took more than " + std::to_string(limits_.seconds / 3600) + " hours", false);
    return std::nullopt;
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// Less than one in a hundred; some filesystems have no such number.
  [[nodiscard]] bool has_few_files() const {
    struct statvfs info {};
    return ::statvfs(folder_.c_str(), &info) == 0 && info.f_files > 0 && info.f_favail < info.f_files / 100;
  }

  static SandboxResult ended(const std::string& reason, bool host_is_full) {
    return {.exit_code = 137, .reason = reason, .host_is_full = host_is_full};
  }

  const SandboxLimits& limits_;
  bool timed_;
  fs::path folder_;
  std::uint64_t free_before_;
  Clock::time_point start_ = Clock::now();
};

SandboxResult parse_report(const std::string& text) {
  SandboxResult result;
  const std::vector<std::string> words = split(text, ' ');
  if (text == "ok") {
    result.ok = true;
  } else if ((words[0] == "failed" || words[0] == "signal") && words.size() == 3) {
    const bool killed = words[0] == "signal";
    const int number = static_cast<int>(parse_unsigned(words[2]).value_or(1));
    result.command = parse_unsigned(words[1]).value_or(0);
    result.exit_code = killed ? 128 + number : number;
    result.reason = killed ? std::string("killed by ") + ::strsignal(number)
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

/// The outer process while it lives. Asked to end, it kills PID 1, and with it everything in the namespace, and ends
/// when all of that is gone.
class Child {
 public:
  explicit Child(pid_t process) : process_(process) {}
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void end() {
    if (process_ < 0) return;
    ::kill(process_, SIGTERM);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
  }

 private:
  pid_t process_;
};

class Room {
 public:
  Room(Child& child, UniqueFd status, Streams& streams, const Watch& watch)
      : child_(child), status_(std::move(status)), streams_(streams), watch_(watch) {}

  /// Until PID 1 has reported and everything inside is gone.
  SandboxResult run() {
    std::optional<SandboxResult> stopped;
    while (status_ && !stopped) {
      std::vector<pollfd> polls{{status_.get(), POLLIN, 0}};
      streams_.add_polls(polls);
      if (::poll(polls.data(), polls.size(), kWatchMilliseconds) > 0) {
        if (polls[0].revents != 0) take_status();
        streams_.serve(polls.data() + 1);
      }
      stopped = due_check();
    }
    child_.end();
    take_rest_of_status();
    streams_.finish();
    throw_if_interrupted();
    return stopped ? *stopped : parse_report(text_);
  }

 private:
  void take_status() {
    std::array<char, 1024> buffer{};
    const std::size_t got = read_some(status_.get(), buffer);
    // More than a report has is not from our program.
    if (text_.size() < kMostStatus) text_.append(buffer.data(), got);
    if (got == 0 || text_.size() >= kMostStatus) status_.reset();
  }

  /// Not more often than the interval, however busy the pipes are.
  std::optional<SandboxResult> due_check() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_check_) return std::nullopt;
    next_check_ = now + std::chrono::milliseconds(kWatchMilliseconds);
    if (interrupted()) return SandboxResult{};
    return watch_.problem();
  }

  /// Nothing writes to it any more.
  void take_rest_of_status() {
    while (status_) take_status();
  }

  Child& child_;
  UniqueFd status_;
  Streams& streams_;
  const Watch& watch_;
  std::string text_;
  std::chrono::steady_clock::time_point next_check_{};
};

/// Ids of its own for a sandbox of the machine's root, where the store's filesystem can map them.
std::optional<IdRange> ids_for(const SandboxOptions& options) {
  std::string why_not;
  std::optional<IdRange> ids = IdRange::take(why_not);
  if (!ids || idmapped_mount(options.root.upper, *ids)) return ids;
  // A kernel or filesystem that cannot; anything else must not give a step the ids of the machine's accounts.
  if (errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM)
    throw system_error("map the ids of " + options.root.upper.string(), errno);
  return std::nullopt;
}

/// Overlayfs refuses to keep its changes on another overlayfs, as a container's own filesystem mostly is.
void require_place_for_changes(const SandboxOptions& options) {
  struct statfs info {};
  if (::statfs(options.root.upper.c_str(), &info) != 0 || info.f_type != OVERLAYFS_SUPER_MAGIC) return;
  throw Error(
      ErrorKind::host, "the store is on overlayfs, where steps cannot keep their changes",
      "give the store another filesystem; in a container a volume, such as -v alephc:/root/.cache/alephc");
}

std::unique_ptr<Streams> streams_for(const SandboxOptions& options, UniqueFd& room_socket) {
  if (!options.interactive) return log_streams(options.log);
  if (!has_terminal()) return piped_streams();
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0)
    throw system_error("make a terminal", errno);
  room_socket = UniqueFd(sockets[1]);
  return terminal_streams(UniqueFd(sockets[0]));
}

}  // namespace

SandboxResult run_in_sandbox(const SandboxOptions& options, const std::vector<SandboxCommand>& commands) {
  require_place_for_changes(options);
  const Cgroup cgroup(options.limits.processes);
  const Watch watch(options);
  const HostNames names(options.root, options.room.hosts);
  const std::optional<IdRange> ids = ids_for(options);
  std::optional<PrivateNetwork> own_network;
  if (options.network == nullptr) own_network.emplace();
  Plan plan{.options = options,
            .network = own_network ? *own_network : *options.network,
            .cgroup = cgroup,
            .ids = ids ? &*ids : nullptr,
            .parent = ::getpid(),
            .job = sealed_file("job", encode_job(options, commands)),
            .program = sealed_file("init", room_program())};
  const std::unique_ptr<Streams> streams = streams_for(options, plan.terminal_socket);
  plan.streams = streams->take_room_ends();
  Pipe status = make_pipe();
  plan.status = std::move(status.write);
  // The outer process is born with them blocked, so that no request to end comes too early.
  const sigset_t set = outer_signals();
  sigset_t before{};
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  const pid_t process = ::fork();
  if (process == 0) outer_main(plan, *streams);
  const int problem = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (process < 0) throw system_error("start the sandbox", problem);
  Child child(process);
  plan.status.reset();
  plan.streams = {};
  plan.terminal_socket.reset();
  const SandboxResult result = Room(child, std::move(status.read), *streams, watch).run();
  names.take_back();
  return result;
}

bool can_fix_addresses() {
  const int before = ::personality(kAskPersona);
  return set_persona(before | ADDR_NO_RANDOMIZE) && set_persona(before);
}

SandboxRoot sandbox_root(const Tree& tree, const std::filesystem::path& upper,
                         const std::filesystem::path& scratch) {
  SandboxRoot root{.upper = upper, .scratch = scratch};
  const auto& layers = tree.layers();
  // Steps that come to the same difference share a layer, and overlayfs refuses a folder that is there twice. The upper one
  // shows all that the lower one would.
  for (auto it = layers.rbegin(); it != layers.rend(); ++it)
    if (std::find(root.lowers.begin(), root.lowers.end(), (*it)->folder) == root.lowers.end())
      root.lowers.push_back((*it)->folder);
  return root;
}

}  // namespace alephc
