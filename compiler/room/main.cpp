// SPDX-License-Identifier: MIT
//
// PID 1 of the sandbox.
//
// A process of the sandbox can see PID 1 in /proc: its environment, memory, descriptors, program and root. So PID 1 must
// be a program that has nothing to show. alephc builds the sandbox, then this program replaces it by execveat(2) from a
// sealed memory file, with an empty environment and six descriptors (room/job.hpp). It makes itself undumpable before
// the first command starts, which closes /proc/1 to a command of the same user.
//
// It runs the commands one after the other and reaps what they leave behind. How that ended is one line on kStatusFd:
//   ok                     every command exited with 0
//   failed INDEX CODE      the command INDEX, counted from 0, exited with CODE
//   signal INDEX NUMBER    it was killed by the signal NUMBER
//   setup TEXT             nothing was started
// The filter, the limits and the capabilities were set by alephc: they outlast an exec.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "room/job.hpp"

namespace alephc::room {
namespace {

constexpr int kCannotStart = 126;  // as shells have it
constexpr int kNotFound = 127;
constexpr unsigned kNobody = 65534;
constexpr std::size_t kMaxAccountsFile = 4U << 20U;  // of /etc/passwd and /etc/group

void write_text(int fd, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t put = ::write(fd, text.data() + done, text.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    done += static_cast<std::size_t>(put);
  }
}

std::string read_up_to(int fd, std::size_t limit) {
  std::string text;
  std::array<char, 65536> buffer{};
  while (text.size() < limit) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

/// O_NONBLOCK: the image may have a FIFO there.
std::vector<std::string> lines_of(const char* file) {
  const int fd = ::open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info {};
  std::string text;
  if (fd >= 0 && ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) text = read_up_to(fd, kMaxAccountsFile);
  if (fd >= 0) ::close(fd);
  return split(text, '\n');
}

unsigned id_of(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const unsigned long value = std::strtoul(text.c_str(), &end, 10);
  const bool good = !text.empty() && *end == '\0' && errno == 0 && value <= 0xfffffffeUL;
  return good ? static_cast<unsigned>(value) : kNobody;
}

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups{};
};

/// From the image's own files: libc's getpwnam would load the image's NSS modules into this process.
bool find_account(const std::string& user, Account& account) {
  bool found = user == "root";
  for (const std::string& line : lines_of("/etc/passwd")) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() < 4 || fields[0] != user) continue;
    account.uid = id_of(fields[2]);
    account.gid = id_of(fields[3]);
    found = true;
    break;
  }
  for (const std::string& line : lines_of("/etc/group")) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() < 4) continue;
    for (const std::string& member : split(fields[3], ','))
      if (member == user) account.groups.push_back(id_of(fields[2]));
  }
  return found;
}

int input_of(const std::string& input) {
  if (input.empty()) return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int fd = ::memfd_create("input", MFD_CLOEXEC);
  if (fd >= 0) {
    write_text(fd, input);
    ::lseek(fd, 0, SEEK_SET);
  }
  return fd;
}

void take_terminal() {
  ::ioctl(kTerminalFd, TIOCSCTTY, 0);
  for (const int fd : {0, 1, 2}) ::dup2(kTerminalFd, fd);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

/// PATH is the command's, not ours: execvpe(3) looks into environ.
void set_search_path(const Command& command) {
  for (const std::string& variable : command.environment)
    if (variable.starts_with("PATH=")) ::setenv("PATH", variable.substr(5).c_str(), 1);
}

[[noreturn]] void start(Command command, bool inherits_streams) {
  if (::fchdir(kRootFd) != 0 || ::chroot(".") != 0) ::_exit(kCannotStart);
  Account account;
  if (!find_account(command.user, account)) {
    write_text(2, "the image has no user '" + command.user + "'\n");
    ::_exit(kCannotStart);
  }
  ::setsid();
  if (::fcntl(kTerminalFd, F_GETFD) >= 0)
    take_terminal();
  else if (!inherits_streams && ::dup2(input_of(command.input), 0) < 0)
    ::_exit(kCannotStart);
  if (::setgroups(account.groups.size(), account.groups.data()) != 0 || ::setgid(account.gid) != 0 ||
      ::setuid(account.uid) != 0) {
    write_text(2, "cannot become the user '" + command.user + "': " + std::strerror(errno) + "\n");
    ::_exit(kCannotStart);
  }
  set_search_path(command);
  const std::vector<char*> argv = pointers(command.argv);
  const std::vector<char*> environment = pointers(command.environment);
  ::umask(022);
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  ::execvpe(argv[0], argv.data(), environment.data());
  write_text(2, "cannot run " + command.argv[0] + ": " + std::strerror(errno) + "\n");
  ::_exit(kNotFound);
}

/// How a command ended: by a signal, or with a code.
struct Ended {
  int signal = 0;
  int code = 0;
};

/// Waits for the command and reaps everything else that ends meanwhile.
Ended run(const Command& command, bool inherits_streams) {
  const pid_t child = ::fork();
  if (child < 0) return {.code = kCannotStart};
  if (child == 0) start(command, inherits_streams);
  for (;;) {
    int status = 0;
    const pid_t ended = ::wait(&status);
    if (ended < 0 && errno != EINTR) return {.code = kCannotStart};
    if (ended != child) continue;
    return WIFSIGNALED(status) ? Ended{.signal = WTERMSIG(status)} : Ended{.code = WEXITSTATUS(status)};
  }
}

/// True when the process that started us has died: it may have before PR_SET_PDEATHSIG was set.
bool alone() {
  pollfd outer{kOuterFd, 0, 0};
  return ::poll(&outer, 1, 0) != 0;
}

int run_job() {
  if (::prctl(PR_SET_DUMPABLE, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || alone()) return 1;
  const auto job = decode(read_up_to(kJobFd, std::string().max_size()));
  ::close(kJobFd);
  if (!job) {
    write_text(kStatusFd, "setup the job is damaged");
    return 1;
  }
  for (std::size_t i = 0; i < job->commands.size(); ++i) {
    const Ended ended = run(job->commands[i], job->inherits_streams);
    if (ended.signal == 0 && ended.code == 0) continue;
    write_text(kStatusFd, (ended.signal != 0 ? "signal " : "failed ") + std::to_string(i) + " " +
                              std::to_string(ended.signal != 0 ? ended.signal : ended.code));
    return 0;
  }
  write_text(kStatusFd, "ok");
  return 0;
}

}  // namespace
}  // namespace alephc::room

int main() {
  return alephc::room::run_job();
}
