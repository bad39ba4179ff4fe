// SPDX-License-Identifier: MIT
#include "init/agent.hpp"

#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init/bridge.hpp"
#include "init/errors.hpp"
#include "init/message.hpp"
#include "init/network.hpp"
#include "init/process.hpp"
#include "init/proxy.hpp"
#include "init/system.hpp"
#include "init/threads.hpp"
#include "init/zip.hpp"

namespace aleph_init {
namespace {

constexpr std::size_t kMaxRequest = 10'000'000 + 256 * 1024;  // a 10 MB body and what is around it
constexpr std::size_t kMaxConfiguration = 99'999'999;         // eight digits
constexpr std::size_t kMaxLengthDigits = 8;
constexpr int kReadTimeout = 60000;        // ms without a byte
constexpr std::size_t kMaxThreads = 1023;  // as many connections a Firecracker device has
constexpr std::size_t kMaxIdle = 8;
constexpr int kGoodbye = 1000;  // ms
constexpr const char* kBridge = "/tmp/socat-socket";
constexpr const char* kKept = "/run/aleph/configuration";

struct Timeout : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// False at the end of the stream.
bool receive_more(int fd, std::string& into) {
  std::array<char, 65536> buffer;
  for (;;) {
    pollfd wait{fd, POLLIN, 0};
    const int ready = ::poll(&wait, 1, kReadTimeout);
    if (ready == 0) throw Timeout("the host stopped in the middle of a message");
    const ssize_t got = ready < 0 ? -1 : ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }
}

/// The configuration behind its line of decimal digits.
std::string receive_configuration(int fd, std::string bytes) {
  std::size_t end = std::string::npos;
  while ((end = bytes.find('\n')) == std::string::npos) {
    if (bytes.size() > kMaxLengthDigits) throw SetupError("configuration: its length line is too long");
    if (!receive_more(fd, bytes))
      throw SetupError("configuration: the host closed before its length was there");
  }
  const std::string digits = bytes.substr(0, end);
  if (digits.empty() || digits.size() > kMaxLengthDigits ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    throw SetupError("configuration: its length line is not a number");
  const std::size_t length = std::stoul(digits);
  if (length > kMaxConfiguration) throw SetupError("configuration: too large");
  bytes.erase(0, end + 1);
  while (bytes.size() < length)
    if (!receive_more(fd, bytes))
      throw SetupError("configuration: the host closed after " + std::to_string(bytes.size()) + " of " +
                       digits + " bytes");
  bytes.resize(length);
  return bytes;
}

/// One msgpack object; "" when the host went away before it was complete.
std::string receive_request(int fd, std::string bytes) {
  for (;;) {
    if (const auto length = message_length(bytes)) {
      bytes.resize(*length);
      return bytes;
    }
    if (bytes.size() > kMaxRequest) throw BadMessage("the request is larger than 10 MB");
    if (!receive_more(fd, bytes)) return {};
  }
}

/// Variables may name each other in any order; one that names itself means what was there before.
std::map<std::string, std::string> with_recipe_variables(const std::map<std::string, std::string>& base,
                                                         const std::map<std::string, std::string>& recipe) {
  constexpr int kDepth = 4;
  std::map<std::string, std::string> env = base;
  for (int pass = 0; pass < kDepth; ++pass) {
    std::map<std::string, std::string> next = base;
    for (const auto& [name, value] : recipe) {
      std::map<std::string, std::string> known = env;
      known.erase(name);
      if (const auto before = base.find(name); before != base.end()) known.insert(*before);
      next[name] = expand_variables(value, known);
    }
    env = std::move(next);
  }
  return env;
}

std::map<std::string, std::string> first_environment(const Settings& settings) {
  std::map<std::string, std::string> env{
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", "/root"},
      {"LANG", "C.UTF-8"},
      {"TERM", "linux"},
      {"PYTHONPATH", "/opt/aleph/libs"},
      {"ALEPH_INIT_VERSION", kRuntimeVersion},
      {"ALEPH_API_HOST", "http://localhost"},
      {"ALEPH_API_UNIX_SOCKET", kBridge},
      {"ALEPH_REMOTE_CRYPTO_HOST", "http://localhost"},
      {"ALEPH_REMOTE_CRYPTO_UNIX_SOCKET", kBridge}};
  return with_recipe_variables(env, settings.env);
}

void hang_up(Handle& connection) {
  ::shutdown(connection.get(), SHUT_WR);
  connection.reset();
}

/// Reads on for a moment: closing while the host still sends would take the answer away from it.
void hang_up_politely(Handle& connection) {
  constexpr std::size_t kPatience = 64 * 1024 * 1024;
  ::shutdown(connection.get(), SHUT_WR);
  std::array<char, 65536> rest;
  pollfd wait{connection.get(), POLLIN, 0};
  for (std::size_t seen = 0; seen<kPatience&& ::poll(&wait, 1, kGoodbye)> 0;) {
    const ssize_t got = ::recv(connection.get(), rest.data(), rest.size(), 0);
    if (got <= 0) break;
    seen += static_cast<std::size_t>(got);
  }
  connection.reset();
}

}  // namespace

std::string ready_message() {
  return message_bytes({{"version", kRuntimeVersion}});
}

Agent::Agent(AgentOptions options)
    : options_(std::move(options)),
      env_(first_environment(options_.settings)),
      plugins_(options_.settings, options_.root),
      supervisor_(env_),
      worker_(options_.root, options_.settings.user, options_.settings.workdir,
              options_.settings.python_optimize) {
  ::signal(SIGPIPE, SIG_IGN);
}

Agent::~Agent() {
  std::unique_lock lock(queue_mutex_);
  closing_ = true;
  queue_changed_.notify_all();
  queue_changed_.wait(lock, [this] { return threads_ == 0; });
}

void Agent::prepare() {
  (void)worker_.start(env_);
  open_bridge();
  try {
    plugins_.run("boot", configuration_, env_);
  } catch (const SetupError& error) {
    boot_problem_ = error.what();
  }
}

void Agent::open_bridge() {
  if (!options_.connect_to_guest_api) return;
  try {
    start_bridge(options_.root + kBridge, options_.connect_to_guest_api);
  } catch (const SetupError& error) {
    log_line(error.what());
  }
}

bool Agent::resume() {
  const std::string kept = read_file(options_.root + kKept);
  if (kept.empty()) return false;
  configuration_ = parse_configuration(kept);
  env_["ALEPH_ADDRESS_TO_USE"] = hostname_of(configuration_.vm_hash);
  for (const auto& [name, value] : configuration_.variables) env_[name] = value;
  open_bridge();
  start_services();
  set_up_code(configuration_);
  state_ = State::serving;
  return true;
}

void Agent::start_services() {
  supervisor_ = Supervisor(env_);
  for (const ServiceSettings& service : options_.settings.services) supervisor_.start(service);
  if (options_.settings.sshd && options_.system) supervisor_.start_sshd();
}

void Agent::serve(int listener) {
  while (!halting_) {
    Handle connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) {
      if (errno == EINVAL || errno == EBADF) return;
      if (errno != EINTR && errno != ECONNABORTED) ::usleep(20000);
      continue;
    }
    std::unique_lock lock(queue_mutex_);
    queue_.push_back(std::move(connection));
    const bool grow = idle_ < queue_.size() && threads_ < kMaxThreads;
    if (grow) ++threads_;
    lock.unlock();
    if (grow)
      start_thread([this] { work(); });
    else
      queue_changed_.notify_one();
  }
}

/// A thread of the pool: stays for more as long as few are idle.
void Agent::work() {
  std::unique_lock lock(queue_mutex_);
  for (;;) {
    if (queue_.empty()) {
      if (closing_ || idle_ >= kMaxIdle) break;
      ++idle_;
      queue_changed_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      --idle_;
      continue;
    }
    Handle connection = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    try {
      handle(std::move(connection));
    } catch (const std::exception& error) {
      log_line(error.what());
    }
    lock.lock();
  }
  --threads_;
  queue_changed_.notify_all();
}

/// The first byte tells the three kinds apart: a digit, 'h', or a msgpack map.
void Agent::handle(Handle connection) {
  std::string received;
  if (!receive_more(connection.get(), received)) return;
  if (received.front() >= '0' && received.front() <= '9')
    return take_configuration(connection, std::move(received));
  if (received.front() != 'h') return answer_request(std::move(connection), std::move(received));
  while (received.size() < 4 && receive_more(connection.get(), received)) {
  }
  if (received.starts_with("halt")) halt(connection);
}

void Agent::take_configuration(Handle& connection, std::string received) {
  {
    const std::lock_guard guard(state_mutex_);
    if (state_ != State::waiting) {
      write_all(connection.get(), failure_reply("this machine has been configured already", {}));
      return hang_up(connection);
    }
    state_ = State::configuring;
  }
  State after = State::serving;
  std::string reply = success_reply();
  try {
    const std::string message = receive_configuration(connection.get(), std::move(received));
    configuration_ = parse_configuration(message);
    set_up();
    make_folders(options_.root + "/run/aleph", 0700);
    write_file(options_.root + kKept, kept_configuration(configuration_), 0600);
  } catch (const SetupError& error) {
    reply = failure_reply(error.what(), error.traceback);
    after = State::refused;
  } catch (const std::exception& error) {
    reply = failure_reply(error.what(), {});
    after = State::refused;
  }
  if (after == State::refused) log_line(parse_message(reply).value("error", ""));
  {
    const std::lock_guard guard(state_mutex_);
    state_ = after;
  }
  write_all(connection.get(), reply);
  hang_up(connection);
}

void Agent::answer_request(Handle connection, std::string received) {
  std::string reply;
  try {
    const std::string request = receive_request(connection.get(), std::move(received));
    if (request.empty()) return;
    {
      const std::lock_guard guard(state_mutex_);
      if (state_ != State::serving) throw SetupError("this machine is not configured");
    }
    if (configuration_.interface == "asgi") return worker_.hand_over(std::move(connection), request);
    const Json message = parse_message(request);
    if (!message.is_object() || !message.contains("scope")) throw BadMessage("the request has no scope");
    reply = proxy_request(message["scope"], program_, connection.get(), options_.root);
  } catch (const Timeout&) {
    return;
  } catch (const BadMessage& error) {
    write_all(connection.get(), error_reply(error.what()));
    return hang_up_politely(connection);
  } catch (const std::runtime_error& error) {
    reply = error_reply(error.what());
  }
  if (!connection || reply.empty()) return;
  write_all(connection.get(), reply);
  hang_up(connection);
}

void Agent::stage(const std::string& name, const std::function<void()>& action) {
  plugins_.run("before_" + name, configuration_, env_);
  action();
  plugins_.run("after_" + name, configuration_, env_);
}

void Agent::set_up() {
  if (!boot_problem_.empty()) throw SetupError(boot_problem_);
  stage("system", [this] { set_up_system(configuration_); });
  plugins_.end_sdk();
  start_services();
  set_up_code(configuration_);
}

void Agent::set_up_system(Configuration& configuration) {
  stage("hostname", [&] {
    const std::string name = hostname_of(configuration.vm_hash);
    env_["ALEPH_ADDRESS_TO_USE"] = name;
    if (options_.system) set_hostname(name);
  });
  stage("variables", [&] {
    for (const auto& [name, value] : configuration.variables) env_[name] = value;
  });
  stage("volumes", [&] {
    for (const Volume& volume : configuration.volumes)
      if (options_.system) mount_volume(volume);
  });
  stage("network", [&] {
    if (options_.system) set_up_network(configuration);
    if (options_.system) write_name_servers(configuration, options_.root + "/etc/resolv.conf");
  });
  if (!configuration.input_data.empty()) unzip(configuration.input_data, options_.root + "/data");
  configuration.input_data.clear();
  write_authorized_keys(configuration.authorized_keys, options_.root);
}

void Agent::set_up_code(const Configuration& configuration) {
  const bool is_asgi = configuration.interface == "asgi";
  // An agent that takes over finds the code unpacked.
  const bool is_there = configuration.code.empty();
  if (configuration.encoding == "zip" && !is_there)
    unzip(configuration.code, options_.root + (is_asgi ? "/opt" : "/opt/code"));
  if (is_asgi) return worker_.configure(configuration, env_);
  if (configuration.encoding == "plain" && !is_there) {
    if (!is_safe_entrypoint(configuration.entrypoint))
      throw SetupError("the entrypoint '" + configuration.entrypoint + "' is not a path below the code");
    const std::string path = options_.root + "/opt/code/" + configuration.entrypoint;
    make_folders(path.substr(0, path.find_last_of('/')));
    write_file(path, configuration.code, 0755);
  }
  program_.start(configuration, options_.settings, env_, options_.root);
}

void Agent::halt(const Handle& connection) {
  constexpr long kGrace = 2000;  // the host waits 5 s for all of it
  if (halting_.exchange(true)) return;
  log_line("halt");
  write_all(connection.get(), "STOP\n");
  try {
    plugins_.run("before_shutdown", configuration_, env_);
  } catch (const SetupError& error) {
    log_line(error.what());
  }
  ::sync();
  worker_.stop(kGrace);
  program_.stop(kGrace);
  supervisor_.stop(kGrace / 4);
  if (options_.system) {
    ::sync();
    unmount_volumes(configuration_.volumes);
  }
  write_all(connection.get(), "STOPZ\n");
  ::shutdown(connection.get(), SHUT_WR);
  // What is written is still in the guest's queue: the host closes when it has read it.
  pollfd wait{connection.get(), POLLIN | POLLRDHUP, 0};
  (void)::poll(&wait, 1, kGoodbye);
  if (options_.restart) options_.restart();
}

}  // namespace aleph_init
