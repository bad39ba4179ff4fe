// SPDX-License-Identifier: MIT
#include "init/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/errors.hpp"
#include "init/handle.hpp"

namespace aleph_init {
namespace {

constexpr const char* kRootHome = "/root";

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups{};
  std::string home{};
};

std::vector<std::string> fields_of(const std::string& line, char separator) {
  std::vector<std::string> fields;
  std::size_t begin = 0;
  for (std::size_t end = line.find(separator); end != std::string::npos; end = line.find(separator, begin)) {
    fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  fields.push_back(line.substr(begin));
  return fields;
}

unsigned id_of(const std::string& text) {
  return text.empty() || text.find_first_not_of("0123456789") != std::string::npos || text.size() > 9
             ? 65534U
             : static_cast<unsigned>(std::stoul(text));
}

/// From the files: a static program cannot load the image's name service modules.
Account find_account(const std::string& user) {
  Account account;
  if (user.empty() || user == "root") return account;
  bool found = false;
  for (const std::string& line : fields_of(read_file("/etc/passwd"), '\n')) {
    const std::vector<std::string> fields = fields_of(line, ':');
    if (fields.size() < 4 || fields[0] != user) continue;
    account.uid = id_of(fields[2]);
    account.gid = id_of(fields[3]);
    if (fields.size() > 5) account.home = fields[5];
    found = true;
  }
  if (!found) throw SetupError("there is no user '" + user + "'");
  for (const std::string& line : fields_of(read_file("/etc/group"), '\n')) {
    const std::vector<std::string> fields = fields_of(line, ':');
    if (fields.size() < 4) continue;
    for (const std::string& member : fields_of(fields[3], ','))
      if (member == user) account.groups.push_back(id_of(fields[2]));
  }
  return account;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// After the fork of a process with threads: system calls only.
[[noreturn]] void exec_child(const ProcessSpec& spec, const Account& account, const std::string& program,
                             char* const* argv, char* const* env) {
  ::setsid();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);  // PID 1 ignores them
  // First out of the way of each other's numbers, then into place.
  std::array<int, 8> moved{};
  for (std::size_t i = 0; i < spec.descriptors.size() && i < moved.size(); ++i)
    moved[i] = ::fcntl(spec.descriptors[i].first, F_DUPFD, 20);
  for (std::size_t i = 0; i < spec.descriptors.size() && i < moved.size(); ++i)
    ::dup2(moved[i], spec.descriptors[i].second);
  unsigned first_free = 3;
  for (const auto& [ours, number] : spec.descriptors)
    first_free = std::max(first_free, static_cast<unsigned>(number) + 1);
  ::syscall(SYS_close_range, first_free, ~0U, 0U);
  if (::setgroups(account.groups.size(), account.groups.data()) != 0 && account.uid != 0) ::_exit(126);
  if (::setgid(account.gid) != 0 || ::setuid(account.uid) != 0) ::_exit(126);
  if (::chdir(spec.workdir.c_str()) != 0 && ::chdir("/") != 0) ::_exit(126);
  ::execve(program.c_str(), argv, env);
  ::_exit(errno == ENOENT ? 127 : 126);
}

}  // namespace

std::optional<std::string> find_program(const std::string& name, const std::string& path_list) {
  const auto usable = [](const std::string& path) { return ::access(path.c_str(), X_OK) == 0; };
  if (name.find('/') != std::string::npos) return usable(name) ? std::optional(name) : std::nullopt;
  for (const std::string& folder : fields_of(path_list, ':'))
    if (!folder.empty() && usable(folder + "/" + name)) return folder + "/" + name;
  return std::nullopt;
}

std::map<std::string, std::string> environment_of(const std::string& user,
                                                  std::map<std::string, std::string> env) {
  const Account account = find_account(user);
  const auto home = env.find("HOME");
  if (home != env.end() && home->second == kRootHome && !account.home.empty()) home->second = account.home;
  return env;
}

pid_t start_process(const ProcessSpec& spec) {
  const auto path = spec.env.find("PATH");
  const auto program = find_program(spec.argv.at(0), path == spec.env.end() ? "/usr/bin:/bin" : path->second);
  if (!program) throw SetupError("there is no program " + spec.argv[0]);
  const Account account = find_account(spec.user);
  std::vector<std::string> words = spec.argv;
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment_of(spec.user, spec.env))
    variables.push_back(name + "=" + value);
  const std::vector<char*> argv = pointers_to(words);
  const std::vector<char*> env = pointers_to(variables);
  const pid_t child = ::fork();
  if (child < 0) throw os_error("start " + spec.argv[0], errno);
  if (child == 0) exec_child(spec, account, *program, argv.data(), env.data());
  return child;
}

std::optional<int> wait_process(pid_t pid, long timeout_ms) {
  if (timeout_ms >= 0) {
    const Handle handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    pollfd wait{handle.get(), POLLIN, 0};
    int ready = 0;
    const long deadline = now_ms() + timeout_ms;
    do {
      ready = ::poll(&wait, 1, static_cast<int>(std::max(0L, deadline - now_ms())));
    } while (ready < 0 && errno == EINTR);
    if (handle && ready == 0) return std::nullopt;
  }
  int status = 0;
  pid_t ended = 0;
  do {
    ended = ::waitpid(pid, &status, 0);
  } while (ended < 0 && errno == EINTR);
  if (ended != pid) return 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void end_process(pid_t pid, long grace_ms) {
  ::kill(-pid, SIGTERM);
  ::kill(pid, SIGTERM);
  if (grace_ms > 0) {
    const long deadline = now_ms() + grace_ms;
    while (::kill(pid, 0) == 0 && now_ms() < deadline) ::usleep(10000);
  }
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
}

ProcessOutput run_process(ProcessSpec spec, std::string_view input, std::size_t limit, long timeout_ms) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0) throw os_error("make a pipe", errno);
  Handle in_read(in[0]);
  Handle in_write(in[1]);
  if (::pipe2(out.data(), O_CLOEXEC) != 0) throw os_error("make a pipe", errno);
  Handle out_read(out[0]);
  Handle out_write(out[1]);
  spec.descriptors.emplace_back(in_read.get(), 0);
  spec.descriptors.emplace_back(out_write.get(), 1);
  const pid_t child = start_process(spec);
  in_read.reset();
  out_write.reset();
  ::fcntl(in_write.get(), F_SETFL, O_NONBLOCK);
  ProcessOutput result;
  const long deadline = now_ms() + timeout_ms;
  std::array<char, 4096> buffer{};
  while (out_read && now_ms() < deadline) {
    if (input.empty()) in_write.reset();
    std::array<pollfd, 2> polls{{{out_read.get(), POLLIN, 0}, {in_write.get(), POLLOUT, 0}}};
    if (::poll(polls.data(), polls.size(), static_cast<int>(deadline - now_ms())) <= 0) continue;
    if (polls[1].revents != 0) {
      const ssize_t put = ::write(in_write.get(), input.data(), input.size());
      if (put > 0) input.remove_prefix(static_cast<std::size_t>(put));
      if (put < 0 && errno != EAGAIN) input = {};
    }
    if (polls[0].revents == 0) continue;
    const ssize_t got = ::read(out_read.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    result.output.append(buffer.data(), static_cast<std::size_t>(got));
    result.too_much = result.output.size() > limit;
    if (result.too_much) break;
  }
  if (!result.too_much) result.status = wait_process(child, std::max(0L, deadline - now_ms()));
  if (!result.status) {
    end_process(child, 0);
    (void)wait_process(child, -1);
  }
  return result;
}

std::string expand_variables(const std::string& text, const std::map<std::string, std::string>& env) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t open = text.find("${"); open != std::string::npos; open = text.find("${", at)) {
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos) break;
    out += text.substr(at, open - at);
    const auto found = env.find(text.substr(open + 2, close - open - 2));
    if (found != env.end()) out += found->second;
    at = close + 1;
  }
  return out + text.substr(at);
}

}  // namespace aleph_init
