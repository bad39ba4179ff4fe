// SPDX-License-Identifier: MIT
#include "base/subprocess.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void exec_child(char* const* argv, char* const* environment, std::uint64_t file_bytes, int in, int out,
                             int err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
  const rlimit limit{.rlim_cur = file_bytes, .rlim_max = file_bytes};
  if (file_bytes > 0) ::setrlimit(RLIMIT_FSIZE, &limit);
  ::execve(argv[0], argv, environment);
  ::_exit(127);
}

/// Feeds stdin and drains both outputs at once, so that no pipe can block the child.
void pump(CommandResult& result, const Command& command, Pipe& in, Pipe& out, Pipe& err) {
  const std::string& input = command.input;
  const auto start = std::chrono::steady_clock::now();
  std::size_t sent = 0;
  if (input.empty()) in.write.reset();
  std::array<char, 65536> buffer{};
  while (out.read || err.read) {
    std::array<pollfd, 3> polls{{{in.write ? in.write.get() : -1, POLLOUT, 0},
                                 {out.read ? out.read.get() : -1, POLLIN, 0},
                                 {err.read ? err.read.get() : -1, POLLIN, 0}}};
    const int ready = ::poll(polls.data(), polls.size(), 200);
    throw_if_interrupted();
    if (command.seconds > 0 && std::chrono::steady_clock::now() - start > std::chrono::seconds(command.seconds))
      throw Error(ErrorKind::failed, command.argv[0] + " took more than " + std::to_string(command.seconds) + " s");
    if (result.output.size() + result.errors.size() > limits::kCommandOutput)
      throw Error(ErrorKind::failed, command.argv[0] + " printed more than " + human_size(limits::kCommandOutput));
    if (ready <= 0) continue;
    if (polls[0].revents != 0) {
      const ssize_t put = ::write(in.write.get(), input.data() + sent, input.size() - sent);
      if (put > 0) sent += static_cast<std::size_t>(put);
      if (put < 0 || sent == input.size()) in.write.reset();
    }
    if (polls[1].revents != 0) {
      const std::size_t got = read_some(out.read.get(), buffer);
      result.output.append(buffer.data(), got);
      if (got == 0) out.read.reset();
    }
    if (polls[2].revents != 0) {
      const std::size_t got = read_some(err.read.get(), buffer);
      result.errors.append(buffer.data(), got);
      if (got == 0) err.read.reset();
    }
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

CommandResult run_command(const Command& command) {
  std::vector<std::string> arguments = command.argv;
  std::vector<std::string> variables;
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
  const auto program = find_program(arguments.at(0));
  if (!program) throw Error(ErrorKind::host, "the program '" + arguments[0] + "' is not installed");
  arguments[0] = *program;
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> environment = pointers_to(variables);
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  const pid_t child = ::fork();
  if (child < 0) throw system_error("start " + arguments[0], errno);
  if (child == 0)
    exec_child(argv.data(), environment.data(), command.file_bytes, in.read.get(), out.write.get(), err.write.get());
  in.read.reset();
  out.write.reset();
  err.write.reset();
  ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  CommandResult result;
  try {
    pump(result, command, in, out, err);
  } catch (...) {
    ::kill(-child, SIGKILL);  // with what it started
    ::kill(child, SIGKILL);
    wait_for(child);
    throw;
  }
  result.exit_code = wait_for(child);
  if (result.exit_code == 127 && result.output.empty() && result.errors.empty())
    throw Error(ErrorKind::host, "cannot start " + arguments[0]);
  return result;
}

std::optional<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos)
    return ::access(name.c_str(), X_OK) == 0 ? std::optional(name) : std::nullopt;
  const char* path = std::getenv("PATH");
  const std::string folders = std::string(path != nullptr ? path : "") + ":/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& folder : split(folders, ':')) {
    if (folder.empty()) continue;
    std::string candidate = folder + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

}  // namespace alephc
