// SPDX-License-Identifier: MIT
#include "vm/node_session.hpp"

#include <array>
#include <atomic>
#include <cerrno>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "init/message.hpp"
#include "vm/kvm_probe.hpp"

namespace alephc {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr unsigned kControlPort = 52;
constexpr unsigned kGuestApiPort = 53;
constexpr std::size_t kMaxReply = limits::kGuestMessage;
constexpr std::size_t kMaxReady = 1'000'000;
constexpr std::size_t kMaxApiHead = 16384;

GuestMessage binary(const std::string& bytes) {
  return GuestMessage::binary(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
}

std::string text_of(const GuestMessage& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_binary()) return {};
  const auto& bytes = value.get_binary();
  return {bytes.begin(), bytes.end()};
}

std::string packed(const GuestMessage& value) {
  std::string out;
  GuestMessage::to_msgpack(value, out);
  return out;
}

/// Waits for input in short turns, so that Ctrl-C and the end of the machine are noticed.
bool wait_readable(int fd, Clock::time_point deadline, const Machine& machine) {
  for (;;) {
    throw_if_interrupted();
    // Asked before the poll: what a machine said before it ended is still there to be read.
    const bool is_last = machine.has_ended() || Clock::now() >= deadline;
    pollfd wait{fd, POLLIN, 0};
    const int ready = ::poll(&wait, 1, is_last ? 0 : 50);
    if (ready > 0) return true;
    if (is_last) return false;
  }
}

/// Everything up to the end or the deadline.
std::string read_answer(int fd, Clock::time_point deadline, const Machine& machine,
                        std::size_t limit = kMaxReply) {
  std::string out;
  std::array<char, 65536> buffer{};
  while (out.size() < limit && wait_readable(fd, deadline, machine)) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return out;
}

/// Without a line of the hybrid socket's own in front.
std::string without_ok(std::string bytes) {
  if (!bytes.starts_with("OK ")) return bytes;
  const std::size_t end = bytes.find('\n');
  return end == std::string::npos ? std::string() : bytes.substr(end + 1);
}

std::string percent_decoded(const std::string& text, bool is_query) {
  static constexpr std::string_view kKept = "+=&;";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_query && text[i] == '+') {
      out += ' ';
      continue;
    }
    const std::string hex = text[i] == '%' ? text.substr(i + 1, 2) : "";
    if (hex.size() != 2 || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
      out += text[i];
      continue;
    }
    const char c = static_cast<char>(std::stoi(hex, nullptr, 16));
    i += 2;
    if (is_query && kKept.find(c) != std::string_view::npos)
      out += "%" + std::string(c == '+' ? "2B" : c == '=' ? "3D" : c == '&' ? "26" : "3B");
    else
      out += c;
  }
  return out;
}

/// A guest's message; "discarded" for what is none. The library's parser recurses for each level, so the init's own
/// measures it first.
GuestMessage unpacked(const std::string& bytes) {
  try {
    return aleph_init::parse_message(bytes);
  } catch (const aleph_init::BadMessage&) {
    return GuestMessage(GuestMessage::value_t::discarded);
  }
}

[[noreturn]] void no_sign(const Machine& machine, const std::string& what) {
  Diagnostic problem{.message = what};
  for (const std::string& line : machine.last_lines()) problem.context.push_back("console: " + line);
  problem.hint = "run it again with --console to see the whole boot";
  throw Error(ErrorKind::failed, std::move(problem));
}

}  // namespace

NodeSession::NodeSession(Machine& machine)
    : machine_(machine),
      ready_(machine.listen(kControlPort)),
      guest_api_(machine.listen(kGuestApiPort)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      api_thread_([this] { serve_guest_api(); }) {}

NodeSession::~NodeSession() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  api_thread_.join();
}

/// Answers every request of the guest API alike: enough to see that the bridge works.
void NodeSession::serve_guest_api() {
  static constexpr std::string_view kBody =
      R"({"chain":"ETH","curve":"secp256k1","address":"0x0","public_key":"0x0"})";
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(kBody.size()) +
      "\r\nConnection: close\r\n\r\n" + std::string(kBody);
  for (;;) {
    std::array<pollfd, 2> polls{{{stop_.get(), POLLIN, 0}, {guest_api_.get(), POLLIN, 0}}};
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) return;
    if (polls[0].revents != 0) return;
    const UniqueFd client(::accept4(guest_api_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client && await_request(client.get()))
      (void)!::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
  }
}

/// True when the head of a request has come; false when it is too slow or too long, or when we are to stop.
bool NodeSession::await_request(int client) const {
  constexpr seconds kPatience(5);
  const auto deadline = Clock::now() + kPatience;
  std::string head;
  std::array<char, 4096> buffer{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    std::array<pollfd, 2> polls{{{stop_.get(), POLLIN, 0}, {client, POLLIN, 0}}};
    if (::poll(polls.data(), polls.size(), 200) < 0 && errno != EINTR) return false;
    if (polls[0].revents != 0 || Clock::now() > deadline || head.size() > kMaxApiHead) return false;
    if (polls[1].revents == 0) continue;
    const ssize_t got = ::read(client, buffer.data(), buffer.size());
    if (got <= 0) return false;
    head.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return true;
}

seconds NodeSession::patience(int node_seconds) const {
  return seconds(machine_.accel() == "kvm" ? node_seconds : node_seconds * 10);
}

std::string NodeSession::wait_ready() {
  const auto deadline = Clock::now() + patience(20);
  if (!wait_readable(ready_.get(), deadline, machine_))
    no_sign(machine_, machine_.has_ended() ? "the machine ended before its init was ready"
                                           : "the init sent no ready message on vsock port 52");
  const UniqueFd guest(::accept4(ready_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!guest) throw system_error("accept the ready message", errno);
  const std::string bytes = read_answer(guest.get(), deadline, machine_, kMaxReady);
  if (bytes.empty()) return "1.0.0";
  const GuestMessage message = unpacked(bytes);
  if (!message.is_object() || !message.contains("version") || !message["version"].is_string())
    no_sign(machine_, "the init's ready message is not a map with a version");
  return message["version"];
}

std::optional<std::string> NodeSession::exchange(const std::string& bytes, seconds limit) const {
  const auto deadline = Clock::now() + limit;
  const UniqueFd guest = machine_.connect(kControlPort);
  if (!guest) return std::nullopt;
  std::string answer;
  try {
    write_all(guest.get(), bytes);
  } catch (const Error&) {
    // It closed early; what it said before counts.
  }
  return without_ok(read_answer(guest.get(), deadline, machine_));
}

GuestMessage NodeSession::configure(const GuestMessage& configuration) {
  const std::string bytes = packed(configuration);
  const auto answer = exchange(std::to_string(bytes.size()) + "\n" + bytes, patience(60));
  if (!answer || answer->empty()) no_sign(machine_, "the init did not answer the configuration");
  const GuestMessage reply = unpacked(*answer);
  if (!reply.is_object() || !reply.contains("success") || !reply["success"].is_boolean())
    no_sign(machine_, "the init's answer to the configuration is not a map with 'success'");
  return reply;
}

GuestReply NodeSession::request(const GuestMessage& scope, seconds limit) const {
  const auto start = Clock::now();
  const auto answer = exchange(packed({{"scope", scope}}), limit);
  GuestReply reply = parse_reply(answer.value_or(""));
  reply.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return reply;
}

std::vector<std::string> NodeSession::halt() const {
  const auto answer = exchange("halt", patience(5));
  std::vector<std::string> lines;
  for (const std::string& line : split(answer.value_or(""), '\n'))
    if (!line.empty()) lines.push_back(line);
  return lines;
}

BootedMachine boot_machine(const MachineSpec& spec, const std::function<void(const std::string&)>& on_line,
                           Reporter& reporter) {
  // Of the whole process: `conform` boots several machines.
  static std::atomic<bool> kvm_failed{false};
  const auto boot = [&](const std::string& accel) {
    MachineSpec chosen = spec;
    chosen.accel = accel;
    BootedMachine booted;
    booted.machine = std::make_unique<Machine>(chosen, on_line);
    booted.session = std::make_unique<NodeSession>(*booted.machine);
    booted.version = booted.session->wait_ready();
    booted.ready_ms = static_cast<long>(booted.machine->seconds_since_start() * 1000);
    return booted;
  };
  if (spec.accel != "auto") return boot(spec.accel);
  if (!kvm_failed && kvm_works()) {
    try {
      return boot("auto");
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::failed) throw;
    }
  }
  if (!kvm_failed.exchange(true)) reporter.note("KVM cannot run a guest here: emulating, which is slow");
  return boot("tcg");
}

GuestMessage configuration_message(const GuestProgram& program) {
  GuestMessage volumes = GuestMessage::array();
  for (const GuestProgram::Volume& volume : program.volumes)
    volumes.push_back({{"mount", volume.mount}, {"device", volume.device}, {"read_only", volume.read_only}});
  GuestMessage message{{"input_data", nullptr},
                       {"interface", program.interface},
                       {"vm_hash", kFakeHash},
                       {"encoding", program.encoding},
                       {"entrypoint", program.entrypoint},
                       {"code", binary(program.code)},
                       {"dns_servers", GuestMessage::array()},
                       {"volumes", volumes},
                       {"variables", program.variables},
                       {"ip", nullptr},
                       {"route", nullptr},
                       {"ipv6", nullptr},
                       {"ipv6_gateway", nullptr},
                       {"authorized_keys", program.authorized_keys}};
  if (!program.network) return message;
  // The addresses of QEMU's user network.
  message["ip"] = "10.0.2.15/24";
  message["route"] = "10.0.2.2";
  message["ipv6"] = "fec0::15/64";
  message["ipv6_gateway"] = "fec0::2";
  message["dns_servers"] = {"10.0.2.3"};
  return message;
}

GuestMessage http_scope(const std::string& method, const std::string& target,
                        const std::vector<std::pair<std::string, std::string>>& headers,
                        const std::string& body) {
  const std::size_t mark = target.find('?');
  GuestMessage list = GuestMessage::array();
  for (const auto& [name, value] : headers)
    list.push_back(GuestMessage::array({binary(name), binary(value)}));
  return {{"type", "http"},
          {"path", percent_decoded(target.substr(0, mark), false)},
          {"method", method},
          {"query_string", mark == std::string::npos ? "" : percent_decoded(target.substr(mark + 1), true)},
          {"headers", list},
          {"body", binary(body)}};
}

bool succeeded(const GuestMessage& reply) {
  const auto it = reply.find("success");
  return it != reply.end() && it->is_boolean() && it->get<bool>();
}

std::string text_member(const GuestMessage& map, const char* key) {
  const auto it = map.find(key);
  return it == map.end() ? std::string() : text_of(*it);
}

GuestReply parse_reply(const std::string& bytes) {
  GuestReply reply;
  if (bytes.empty()) return reply;
  reply.kind = GuestReply::Kind::garbage;
  const GuestMessage map = unpacked(bytes);
  if (!map.is_object()) return reply;
  if (map.contains("traceback")) {
    reply.kind = GuestReply::Kind::error;
    reply.body = text_of(map["traceback"]);
    return reply;
  }
  if (!map.contains("headers") || !map.contains("body") || !map["headers"].is_object() ||
      !map["body"].is_object())
    return reply;
  const GuestMessage& head = map["headers"];
  if (head.contains("headers"))
    for (const GuestMessage& item : head["headers"]) {
      // A node decodes names and values as bytes: a str breaks it.
      if (!item.is_array() || item.size() != 2 || !item[0].is_binary() || !item[1].is_binary()) return reply;
      reply.headers.emplace_back(text_of(item[0]), text_of(item[1]));
    }
  if (head.contains("status")) {
    if (!head["status"].is_number_integer()) return reply;
    reply.status = head["status"];
  }
  if (!map["body"].contains("body")) return reply;
  reply.body = text_of(map["body"]["body"]);
  reply.kind = GuestReply::Kind::response;
  return reply;
}

}  // namespace alephc
