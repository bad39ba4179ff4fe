// SPDX-License-Identifier: MIT
#include "init/worker.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init/errors.hpp"
#include "init/message.hpp"
#include "init/process.hpp"

namespace aleph_init {
namespace {

constexpr std::size_t kMaxInline = 64 * 1024;
constexpr std::size_t kMaxAnswer = 60 * 1024;
constexpr long kStartTimeout = 55000;  // the host waits 60 s
constexpr const char* kWorker = "/usr/lib/aleph/asgi_worker.pyc";
constexpr const char* kWorkerSource = "/usr/lib/aleph/asgi_worker.py";

/// The folders that a program's modules are looked for in,
/// first to last; the worker adds the interpreter's own.
Json module_folders(const Configuration& configuration, const std::map<std::string, std::string>& env,
                    const std::string& root) {
  Json folders = Json::array();
  if (configuration.encoding == "squashfs") folders.push_back(root + "/opt/code");
  if (configuration.encoding == "zip") folders.push_back(root + "/opt");
  folders.push_back(root + "/opt/packages");
  const auto path = env.find("PYTHONPATH");
  if (path == env.end()) return folders;
  std::size_t begin = 0;
  while (begin <= path->second.size()) {
    const std::size_t end = std::min(path->second.find(':', begin), path->second.size());
    if (end > begin) folders.push_back(path->second.substr(begin, end - begin));
    begin = end + 1;
  }
  return folders;
}

Handle memory_file(std::string_view bytes) {
  Handle file(::memfd_create("payload", MFD_CLOEXEC));
  if (!file) throw os_error("make a memory file", errno);
  write_all(file.get(), bytes);
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

}  // namespace

Worker::~Worker() {
  end();
}

void Worker::end() {
  if (process_ <= 0) return;
  end_process(process_, 0);
  (void)wait_process(process_, -1);
  process_ = -1;
  socket_.reset();
}

bool Worker::start(const std::map<std::string, std::string>& env) {
  const char* program = ::access(kWorker, R_OK) == 0 ? kWorker : kWorkerSource;
  if (::access(program, R_OK) != 0) return false;
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw os_error("make a socket", errno);
  Handle ours(ends[0]);
  const Handle theirs(ends[1]);
  try {
    std::vector<std::string> argv{"python3"};
    if (optimize_ > 0) argv.emplace_back(optimize_ > 1 ? "-OO" : "-O");
    argv.emplace_back(program);
    process_ = start_process({.argv = std::move(argv),
                              .env = env,
                              .workdir = workdir_,
                              .user = user_,
                              .descriptors = {{theirs.get(), 3}}});
  } catch (const SetupError& error) {
    log_line(error.what());
    return false;
  }
  socket_ = std::move(ours);
  return true;
}

void Worker::send_packet(char type, std::string_view payload, int connection) {
  Handle file;
  std::array<int, 2> descriptors{};
  std::size_t count = 0;
  if (connection >= 0) descriptors[count++] = connection;
  if (payload.size() > kMaxInline) {
    file = memory_file(payload);
    descriptors[count++] = file.get();
    payload = {};
  }
  // i: the payload is in the packet, f: in the last descriptor.
  std::array<char, 2> head{type, file ? 'f' : 'i'};
  std::array<iovec, 2> parts{
      {{head.data(), head.size()}, {const_cast<char*>(payload.data()), payload.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
  if (count > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors.data(), count * sizeof(int));
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) throw os_error("reach the ASGI worker", errno);
}

void Worker::configure_now() {
  const Json message{{"encoding", configuration_.encoding},
                     {"entrypoint", configuration_.entrypoint},
                     {"folders", module_folders(configuration_, env_, root_)},
                     {"env", env_}};
  send_packet('C', message.dump(-1, ' ', false, Json::error_handler_t::replace), -1);
  send_packet('C', configuration_.encoding == "plain" ? configuration_.code : std::string(), -1);
  pollfd wait{socket_.get(), POLLIN, 0};
  const long deadline = now_ms() + kStartTimeout;
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, static_cast<int>(std::max(0L, deadline - now_ms())));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) throw SetupError("the program did not start within 55 s");
  std::string answer(kMaxAnswer + 1, '\0');
  const ssize_t got = ::recv(socket_.get(), answer.data(), answer.size(), 0);
  if (got <= 0) {
    const auto status = wait_process(process_, 1000);
    process_ = status ? -1 : process_;
    throw SetupError("the program ended while it started, status " + std::to_string(status.value_or(-1)));
  }
  answer.resize(static_cast<std::size_t>(got));
  if (answer.front() == 'O') return;
  const Json failure = Json::parse(answer.substr(1), nullptr, false);
  if (!failure.is_object()) throw SetupError("the program did not start");
  throw SetupError(failure.value("error", "the program did not start"), failure.value("traceback", ""));
}

void Worker::configure(const Configuration& configuration, const std::map<std::string, std::string>& env) {
  const std::lock_guard guard(mutex_);
  configuration_ = configuration;
  configuration_.input_data.clear();
  env_ = environment_of(user_, env);
  if (process_ <= 0 && !start(env_))
    throw SetupError("this image has no Python with the ASGI worker: it cannot run an asgi program");
  configure_now();
}

void Worker::hand_over(Handle connection, std::string_view request) {
  const std::lock_guard guard(mutex_);
  if (process_ > 0) {
    try {
      return send_packet('R', request, connection.get());
    } catch (const SetupError&) {
      log_line("the ASGI worker is gone: starting it again");
      end();
    }
  }
  if (!start(env_)) throw SetupError("the ASGI worker cannot be started");
  configure_now();
  send_packet('R', request, connection.get());
}

void Worker::stop(long grace_ms) {
  const std::lock_guard guard(mutex_);
  if (process_ <= 0) return;
  try {
    send_packet('S', {}, -1);
    (void)wait_process(process_, grace_ms);
  } catch (const SetupError&) {
    // Gone already.
  }
  end();
}

}  // namespace aleph_init
